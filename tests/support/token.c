#include "token.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "child.h"
#include "pki.h"
#include "tmp.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define TOOL "/usr/bin/softhsm2-util"

struct token {
    char label[64];
};

/* Shared by all tokens of the process. */
static char *home;
static unsigned tokens;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "token: cannot %s\n", what);
    exit(2);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    need(f != NULL && fputs(text, f) >= 0, path);
    need(fclose(f) == 0, path);
    need(chmod(path, 0600) == 0, path);
}

static char *store_path(char out[static TMP_PATH_MAX])
{
    return tmp_path(home, "tokens", out);
}

static void make_home(void)
{
    char conf[TMP_PATH_MAX], store[TMP_PATH_MAX], text[2 * TMP_PATH_MAX];

    home = tmp_new();
    need(mkdir(store_path(store), 0700) == 0, "make the tokens' directory");
    (void)snprintf(text, sizeof text,
                   "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
                   store);
    write_text(tmp_path(home, "softhsm2.conf", conf), text);
    need(setenv("SOFTHSM2_CONF", conf, 1) == 0, "set SOFTHSM2_CONF");
}

static void run_tool(const char *const *argv)
{
    struct run_result r;

    need(run_program(argv, NULL, &r), "run softhsm2-util");
    if (r.status != 0)
        fprintf(stderr, "%s", r.err);
    need(r.status == 0, argv[1]);
    run_release(&r);
}

struct token *token_new(const char *label)
{
    struct token *token = calloc(1, sizeof *token);

    need(token != NULL, "allocate");
    if (tokens++ == 0)
        make_home();
    (void)snprintf(token->label, sizeof token->label, "%s", label);
    run_tool((const char *const[]){ TOOL, "--init-token", "--free", "--label", label, "--pin",
                                    TOKEN_PIN, "--so-pin", "123456", NULL });
    return token;
}

void token_import(const struct token *token, const char *object, const EVP_PKEY *key)
{
    char path[TMP_PATH_MAX], id[2 * 31 + 1] = "";
    char *pem = pki_key_pem(key);

    for (size_t i = 0; i < 31 && object[i] != '\0'; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", (unsigned char)object[i]);
    write_text(tmp_path(home, "import.pem", path), pem);
    run_tool((const char *const[]){ TOOL, "--import", path, "--token", token->label, "--label",
                                    object, "--id", id, "--pin", TOKEN_PIN, NULL });
    need(unlink(path) == 0, "remove a key");
    free(pem);
}

char *token_uri(const struct token *token, const char *object, const char *rest,
                char out[static TOKEN_URI_MAX])
{
    (void)snprintf(out, TOKEN_URI_MAX, "pkcs11:token=%s;object=%s;type=private%s%smodule-path=%s",
                   token->label, object, rest, strchr(rest, '?') == NULL ? "?" : "&", MODULE);
    return out;
}

static void empty(const char *dir)
{
    char path[TMP_PATH_MAX];
    struct dirent *entry;
    DIR *d = opendir(dir);

    need(d != NULL, dir);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.')
            need(unlink(tmp_path(dir, entry->d_name, path)) == 0, path);
    }
    (void)closedir(d);
}

void token_pull_all(void)
{
    char store[TMP_PATH_MAX], path[TMP_PATH_MAX];
    struct dirent *entry;
    DIR *d;

    d = opendir(store_path(store));
    need(d != NULL, store);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.')
            empty(tmp_path(store, entry->d_name, path));
    }
    (void)closedir(d);
}

void token_free(struct token *token)
{
    if (token == NULL)
        return;
    free(token);
    if (--tokens == 0) {
        tmp_free(home);
        home = NULL;
    }
}
