/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "host_chap.h"

#include "base/hex.h"
#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

bool host_challenge_read(const struct host_pdu *answer, struct host_challenge *challenge)
{
	const char *algorithm = host_key(answer, "CHAP_A"), *id = host_key(answer, "CHAP_I");
	const char *bytes = host_key(answer, "CHAP_C");

	if (!algorithm || !id || !bytes || strncmp(bytes, "0x", 2))
		return false;
	challenge->algorithm = (unsigned int)strtoul(algorithm, NULL, 10);
	challenge->id = (uint8_t)strtoul(id, NULL, 10);
	challenge->len = (strlen(bytes) - 2) / 2;
	assert(hex_parse(bytes + 2, 2 * challenge->len, challenge->bytes, HOST_CHAP_MAX));
	return true;
}

size_t host_chap_hash(const struct host_challenge *challenge, const char *secret,
		      uint8_t hash[HOST_CHAP_MAX])
{
	static const char *const names[] = {"MD5", "SHA1", "SHA256", "SHA3-256"};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned int len;

	assert(ctx && challenge->algorithm >= 5 && challenge->algorithm <= 8);
	assert(EVP_DigestInit_ex(ctx, EVP_get_digestbyname(names[challenge->algorithm - 5]), NULL));
	EVP_DigestUpdate(ctx, &challenge->id, 1);
	EVP_DigestUpdate(ctx, secret, strlen(secret));
	EVP_DigestUpdate(ctx, challenge->bytes, challenge->len);
	EVP_DigestFinal_ex(ctx, hash, &len);
	EVP_MD_CTX_free(ctx);
	return len;
}
