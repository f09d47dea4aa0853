/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "iscsi/chap.h"

#include "base/hex.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* RFC 7143 12.1.3 and IANA's registry of CHAP algorithms */
static const struct chap_algorithm {
	unsigned int number, bytes;
	const EVP_MD *(*digest)(void);
} chap_algorithms[] = {
	{5, 16, EVP_md5},
	{6, 20, EVP_sha1},
	{7, 32, EVP_sha256},
	{8, 32, EVP_sha3_256},
};

static const struct chap_algorithm *chap_algorithm_find(unsigned int number)
{
	for (size_t i = 0; i < sizeof(chap_algorithms) / sizeof(chap_algorithms[0]); i++)
		if (chap_algorithms[i].number == number)
			return &chap_algorithms[i];
	return NULL;
}

int iscsi_chap_key(struct iscsi_chap_keys *keys, const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **value;
	} known[] = {
		{"CHAP_A", &keys->algorithms}, {"CHAP_N", &keys->name},
		{"CHAP_R", &keys->response},   {"CHAP_I", &keys->id},
		{"CHAP_C", &keys->challenge},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(key, known[i].key))
			continue;
		if (*known[i].value)
			return -EPROTO;
		*known[i].value = value;
		return 1;
	}
	return 0;
}

/* The hash over identifier, secret and challenge; false when libcrypto has no such hash. */
static bool chap_hash(const struct chap_algorithm *algorithm, uint8_t id, const char *secret,
		      const uint8_t *challenge, size_t len, uint8_t out[ISCSI_HASH_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool made = ctx && EVP_DigestInit_ex(ctx, algorithm->digest(), NULL) &&
		    EVP_DigestUpdate(ctx, &id, 1) &&
		    EVP_DigestUpdate(ctx, secret, strlen(secret)) &&
		    EVP_DigestUpdate(ctx, challenge, len) && EVP_DigestFinal_ex(ctx, out, NULL);

	EVP_MD_CTX_free(ctx);
	return made;
}

static void chap_put_binary(struct iscsi_text *answer, const char *key, const uint8_t *bytes,
			    size_t len)
{
	char text[2 + 2 * ISCSI_CHALLENGE + 1] = "0x";

	hex_format(bytes, len, text + 2);
	iscsi_text_put(answer, key, text);
}

/* The text of -EACCES. */
static int chap_deny(const char **why, const char *reason)
{
	*why = reason;
	return -EACCES;
}

static int chap_challenge(struct iscsi_chap *chap, const struct iscsi_chap_keys *keys,
			  const uint8_t *fresh, struct iscsi_text *answer, const char **why)
{
	const char *list = keys->algorithms, *word;
	char digits[8];
	size_t len;

	if (!list || keys->name || keys->response)
		return -EPROTO;
	while (iscsi_text_word(&list, &word, &len)) {
		uint32_t number;

		if (len >= sizeof(digits))
			continue;
		memcpy(digits, word, len);
		digits[len] = '\0';
		if (!iscsi_text_number(digits, 255, &number) || !chap_algorithm_find(number))
			continue;
		chap->algorithm = number;
		chap->id = fresh[0];
		memcpy(chap->challenge, fresh + 1, sizeof(chap->challenge));
		iscsi_text_put_number(answer, "CHAP_A", number);
		iscsi_text_put_number(answer, "CHAP_I", chap->id);
		chap_put_binary(answer, "CHAP_C", chap->challenge, sizeof(chap->challenge));
		chap->state = ISCSI_CHAP_RESPONSE;
		return 0;
	}
	iscsi_text_put(answer, "CHAP_A", "Reject");
	return chap_deny(why, "it knows no CHAP algorithm of MD5, SHA1, SHA-256 and SHA3-256");
}

/* Who they are: name and response are both looked at, so that neither is found out alone. */
static int chap_verify(const struct iscsi_chap *chap, const struct iscsi_account *account,
		       const struct iscsi_chap_keys *keys, const char **why)
{
	const struct chap_algorithm *algorithm = chap_algorithm_find(chap->algorithm);
	uint8_t theirs[ISCSI_HASH_MAX] = {0}, ours[ISCSI_HASH_MAX] = {0};
	int len = iscsi_text_binary(keys->response, theirs, sizeof(theirs));
	bool same_name = !strcmp(keys->name, account->name);

	if (!chap_hash(algorithm, chap->id, account->secret, chap->challenge,
		       sizeof(chap->challenge), ours))
		return chap_deny(why, "libcrypto does not have the hash that CHAP is to use");
	if (len != (int)algorithm->bytes || CRYPTO_memcmp(theirs, ours, algorithm->bytes))
		return chap_deny(why, same_name ? "its CHAP secret is wrong"
						: "its CHAP name and secret are wrong");
	return same_name ? 0 : chap_deny(why, "its CHAP name is wrong");
}

/* Who we are, if they ask. */
static int chap_prove(const struct iscsi_chap *chap, const struct iscsi_account *account,
		      const struct iscsi_chap_keys *keys, struct iscsi_text *answer,
		      const char **why)
{
	const struct chap_algorithm *algorithm = chap_algorithm_find(chap->algorithm);
	uint8_t challenge[ISCSI_CHALLENGE_MAX], hash[ISCSI_HASH_MAX];
	uint32_t id;
	int len;

	if (!keys->id && !keys->challenge)
		return 0;
	if (!keys->id || !keys->challenge || !iscsi_text_number(keys->id, 255, &id))
		return -EPROTO;
	len = iscsi_text_binary(keys->challenge, challenge, sizeof(challenge));
	if (len <= 0)
		return -EPROTO;
	if (!account->name[0])
		return chap_deny(why,
				 "it wants proof of who we are (mutual CHAP), for which there is "
				 "no account here");
	/* Our own challenge sent back: somebody wants us to compute their response. */
	if (len == ISCSI_CHALLENGE && !memcmp(challenge, chap->challenge, ISCSI_CHALLENGE))
		return chap_deny(why, "it sent our own CHAP challenge back");
	if (!chap_hash(algorithm, (uint8_t)id, account->secret, challenge, (size_t)len, hash))
		return chap_deny(why, "libcrypto does not have the hash that CHAP is to use");
	iscsi_text_put(answer, "CHAP_N", account->name);
	chap_put_binary(answer, "CHAP_R", hash, algorithm->bytes);
	return 0;
}

int iscsi_chap_step(struct iscsi_chap *chap, const struct iscsi_auth *auth,
		    const struct iscsi_chap_keys *keys, const uint8_t *fresh,
		    struct iscsi_text *answer, const char **why)
{
	int ret;

	switch (chap->state) {
	case ISCSI_CHAP_ALGORITHM:
		return chap_challenge(chap, keys, fresh, answer, why);
	case ISCSI_CHAP_RESPONSE:
		if (keys->algorithms || !keys->name || !keys->response)
			return -EPROTO;
		ret = chap_verify(chap, &auth->initiator, keys, why);
		if (!ret)
			ret = chap_prove(chap, &auth->target, keys, answer, why);
		if (!ret)
			chap->state = ISCSI_CHAP_DONE;
		return ret;
	default:
		return -EPROTO;
	}
}
