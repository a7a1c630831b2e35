/*
 * token.h - PKCS#11 tokens of a test's own (SoftHSM2), gone afterwards.
 *
 *     struct token *token = token_new("signers");
 *     token_import(token, "ca-key", ca.key);
 *     token_uri(token, "ca-key", "?pin-value=1234", uri);
 *     …
 *     token_free(token);
 *
 * SOFTHSM2_CONF of this process names the first token's directory, and all tokens live in it: the
 * module reads it once. What cannot be made ends the program with a message.
 */
#ifndef TEST_TOKEN_H
#define TEST_TOKEN_H

#include <openssl/types.h>

#define TOKEN_PIN "1234"
#define TOKEN_URI_MAX 512

struct token;

struct token *token_new(const char *label);
void token_import(const struct token *token, const char *object, const EVP_PKEY *key);
/* "pkcs11:token=LABEL;object=OBJECT;type=private", the module's path, and the rest as it is. */
char *token_uri(const struct token *token, const char *object, const char *rest,
                char out[static TOKEN_URI_MAX]);
/* As if all there are were pulled out: what they keep is lost. */
void token_pull_all(void);
void token_free(struct token *token); /* NULL is accepted */

#endif
