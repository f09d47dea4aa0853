/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * iSCSI, RFC 7143 section 11: where things stand in a PDU's 48 byte header (BHS), and their values.
 * Numbers are big-endian; digests are little-endian. Responses have the opcode of their request
 * with 0x20 set.
 */
#ifndef STGT_WIRE_ISCSI_H
#define STGT_WIRE_ISCSI_H

#define ISCSI_BHS	 48u
#define ISCSI_DIGEST	 4u
#define ISCSI_AHS_MAX	 (255u * 4)
#define ISCSI_NO_TAG	 0xffffffffu /* no ITT, no TTT */
#define ISCSI_DATA_LIMIT 0xffffffu   /* DataSegmentLength has 24 bits */

enum iscsi_opcode {
	ISCSI_NOP_OUT = 0x00,
	ISCSI_COMMAND = 0x01,
	ISCSI_TMF = 0x02,
	ISCSI_LOGIN = 0x03,
	ISCSI_TEXT = 0x04,
	ISCSI_DATA_OUT = 0x05,
	ISCSI_LOGOUT = 0x06,
	ISCSI_SNACK = 0x10,
	ISCSI_NOP_IN = 0x20,
	ISCSI_RESPONSE = 0x21,
	ISCSI_TMF_RESPONSE = 0x22,
	ISCSI_LOGIN_RESPONSE = 0x23,
	ISCSI_TEXT_RESPONSE = 0x24,
	ISCSI_DATA_IN = 0x25,
	ISCSI_LOGOUT_RESPONSE = 0x26,
	ISCSI_R2T = 0x31,
	ISCSI_ASYNC = 0x32,
	ISCSI_REJECT = 0x3f,
};
#define ISCSI_OPCODE_MASK 0x3f
#define ISCSI_IMMEDIATE	  0x40

/* Fields that most PDUs have. */
enum iscsi_field {
	ISCSI_AT_OPCODE = 0,
	ISCSI_AT_FLAGS = 1,
	ISCSI_AT_AHS_LENGTH = 4,  /* in units of four bytes */
	ISCSI_AT_DATA_LENGTH = 5, /* 24 bits */
	ISCSI_AT_LUN = 8,
	ISCSI_AT_ITT = 16,
	ISCSI_AT_TTT = 20,
	ISCSI_AT_CMDSN = 24,	 /* requests */
	ISCSI_AT_EXPSTATSN = 28, /* requests */
	ISCSI_AT_STATSN = 24,	 /* responses */
	ISCSI_AT_EXPCMDSN = 28,	 /* responses */
	ISCSI_AT_MAXCMDSN = 32,	 /* responses */
};

#define ISCSI_FINAL    0x80
#define ISCSI_CONTINUE 0x40 /* text and login: the text goes on in the next PDU */

/* SCSI Command, 11.3 */
#define ISCSI_COMMAND_READ  0x40
#define ISCSI_COMMAND_WRITE 0x20
#define ISCSI_COMMAND_ATTR  0x07
enum iscsi_command_field {
	ISCSI_COMMAND_AT_EXPECTED = 20,
	ISCSI_COMMAND_AT_CDB = 32,
};
#define ISCSI_CDB 16u
enum iscsi_attribute {
	ISCSI_UNTAGGED,
	ISCSI_SIMPLE,
	ISCSI_ORDERED,
	ISCSI_HEAD_OF_QUEUE,
	ISCSI_ACA,
};
enum iscsi_ahs_type {
	ISCSI_AHS_EXTENDED_CDB = 1,
	ISCSI_AHS_BIDIRECTIONAL = 2,
};

/* SCSI Response, 11.4, and the flags that Data-In shares with it */
#define ISCSI_OVERFLOW	0x04
#define ISCSI_UNDERFLOW 0x02
enum iscsi_response_field {
	ISCSI_RESPONSE_AT_RESPONSE = 2,
	ISCSI_RESPONSE_AT_STATUS = 3,
	ISCSI_RESPONSE_AT_EXPDATASN = 36,
	ISCSI_RESPONSE_AT_RESIDUAL = 44,
};

/* Data-Out, Data-In, R2T: 11.7, 11.8 */
#define ISCSI_DATA_STATUS 0x01 /* Data-In brings the status */
enum iscsi_data_field {
	ISCSI_DATA_AT_STATUS = 3,
	ISCSI_DATA_AT_SN = 36, /* DataSN or R2TSN */
	ISCSI_DATA_AT_OFFSET = 40,
	ISCSI_DATA_AT_RESIDUAL = 44,
	ISCSI_R2T_AT_LENGTH = 44,
};

/* Task management, 11.5, 11.6, RFC 7144 */
enum iscsi_tmf_function {
	ISCSI_ABORT_TASK = 1,
	ISCSI_ABORT_TASK_SET = 2,
	ISCSI_CLEAR_ACA = 3,
	ISCSI_CLEAR_TASK_SET = 4,
	ISCSI_LU_RESET = 5,
	ISCSI_WARM_RESET = 6,
	ISCSI_COLD_RESET = 7,
	ISCSI_REASSIGN = 8,
	ISCSI_QUERY_TASK = 9,
	ISCSI_QUERY_TASK_SET = 10,
	ISCSI_QUERY_ASYNC_EVENT = 12,
};
enum iscsi_tmf_field {
	ISCSI_TMF_AT_RESPONSE = 2,
	ISCSI_TMF_AT_REFTAG = 20,
	ISCSI_TMF_AT_REFCMDSN = 32,
};
enum iscsi_tmf_response {
	ISCSI_TMF_COMPLETE = 0,
	ISCSI_TMF_NO_TASK = 1,
	ISCSI_TMF_NO_LUN = 2,
	ISCSI_TMF_NO_REASSIGN = 4,
	ISCSI_TMF_UNSUPPORTED = 5,
	ISCSI_TMF_SUCCEEDED = 7,
	ISCSI_TMF_REJECTED = 255,
};

/* Asynchronous message, 11.9 */
enum iscsi_async_event {
	ISCSI_ASYNC_LOGOUT = 1,	   /* the initiator shall log out */
	ISCSI_ASYNC_DROP_CONN = 2, /* the target will drop this connection */
	ISCSI_ASYNC_DROP_ALL = 3,  /* the target will drop all connections of the session */
};
enum iscsi_async_field {
	ISCSI_ASYNC_AT_EVENT = 36,
	ISCSI_ASYNC_AT_PARAMETER1 = 38,
	ISCSI_ASYNC_AT_PARAMETER2 = 40,
	ISCSI_ASYNC_AT_PARAMETER3 = 42,
};

/* Login, 11.12, 11.13 */
#define ISCSI_TRANSIT 0x80
enum iscsi_stage {
	ISCSI_STAGE_SECURITY = 0,
	ISCSI_STAGE_OPERATIONAL = 1,
	ISCSI_STAGE_FULL = 3,
};
enum iscsi_login_field {
	ISCSI_LOGIN_AT_VERSION_MAX = 2,
	ISCSI_LOGIN_AT_VERSION_MIN = 3, /* the active one in responses */
	ISCSI_LOGIN_AT_ISID = 8,
	ISCSI_LOGIN_AT_TSIH = 14,
	ISCSI_LOGIN_AT_CID = 20,
	ISCSI_LOGIN_AT_STATUS = 36, /* class, detail */
};
#define ISCSI_ISID 6u
enum iscsi_login_status {
	ISCSI_LOGIN_SUCCESS = 0x0000,
	ISCSI_LOGIN_MOVED_TEMPORARILY = 0x0101,
	ISCSI_LOGIN_MOVED_PERMANENTLY = 0x0102,
	ISCSI_LOGIN_INITIATOR_ERROR = 0x0200,
	ISCSI_LOGIN_AUTHENTICATION = 0x0201,
	ISCSI_LOGIN_AUTHORIZATION = 0x0202,
	ISCSI_LOGIN_NOT_FOUND = 0x0203,
	ISCSI_LOGIN_VERSION = 0x0205,
	ISCSI_LOGIN_TOO_MANY = 0x0206,
	ISCSI_LOGIN_MISSING = 0x0207,
	ISCSI_LOGIN_CANNOT_JOIN = 0x0208,
	ISCSI_LOGIN_SESSION_TYPE = 0x0209,
	ISCSI_LOGIN_NO_SESSION = 0x020a,
	ISCSI_LOGIN_INVALID_REQUEST = 0x020b,
	ISCSI_LOGIN_TARGET_ERROR = 0x0300,
	ISCSI_LOGIN_UNAVAILABLE = 0x0301,
	ISCSI_LOGIN_NO_RESOURCES = 0x0302,
};

/* Logout, 11.14, 11.15 */
enum iscsi_logout_reason {
	ISCSI_LOGOUT_SESSION = 0,
	ISCSI_LOGOUT_CONN = 1,
	ISCSI_LOGOUT_RECOVERY = 2,
};
enum iscsi_logout_field {
	ISCSI_LOGOUT_AT_RESPONSE = 2,
	ISCSI_LOGOUT_AT_CID = 20,
	ISCSI_LOGOUT_AT_TIME2WAIT = 40,
	ISCSI_LOGOUT_AT_TIME2RETAIN = 42,
};
enum iscsi_logout_response {
	ISCSI_LOGOUT_CLOSED = 0,
	ISCSI_LOGOUT_NO_CID = 1,
	ISCSI_LOGOUT_NO_RECOVERY = 2,
};

/* Reject, 11.17 */
enum iscsi_reject_reason {
	ISCSI_REJECT_DATA_DIGEST = 0x02,
	ISCSI_REJECT_SNACK = 0x03,
	ISCSI_REJECT_PROTOCOL = 0x04,
	ISCSI_REJECT_UNSUPPORTED = 0x05,
	ISCSI_REJECT_TOO_MANY_IMMEDIATE = 0x06,
	ISCSI_REJECT_TASK_IN_PROGRESS = 0x07,
	ISCSI_REJECT_FIELD = 0x09,
	ISCSI_REJECT_RESOURCES = 0x0a,
};
enum iscsi_reject_field {
	ISCSI_REJECT_AT_REASON = 2,
};

#endif
