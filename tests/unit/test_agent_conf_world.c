/* A configuration in its surroundings: the machine, files, memory, and what people read. */
#include "test_agent_conf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-agent/port/posix/conf.h"
#include "support/alloc.h"
#include "support/tmp.h"

/* ---- the machine ----------------------------------------------------------------------------- */

static const char *host_name = "gateway-7";
static const char *machine_id = "00112233445566778899aabbccddeeff\n";
static const char *serial = "SN.0042 \n";

/* what open is with offsets of 64 bits, on every machine */
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_gethostname(char *name, size_t n);

int __wrap_gethostname(char *name, size_t n)
{
    (void)snprintf(name, n, "%s", host_name);
    return 0;
}

/* A file that holds text; NULL: there is none. */
static int open_text(const char *text)
{
    int ends[2];

    if (text == NULL)
        return -1;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
    assert_int_equal(close(ends[1]), 0);
    return ends[0];
}

int __wrap_open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    if (strcmp(path, "/etc/machine-id") == 0)
        return open_text(machine_id);
    if (strcmp(path, "/sys/firmware/devicetree/base/serial-number") == 0)
        return open_text(NULL);
    if (strcmp(path, "/sys/class/dmi/id/product_serial") == 0)
        return open_text(serial);
    return __real_open64(path, flags, mode);
}

/* ---- ${…} ------------------------------------------------------------------------------------ */

static void machine_words_are_replaced(void **state)
{
    struct conf conf;
    (void)state;

    assert_taken(
        CLAIM "device_id = a $ ${serial}${hostname}\n[identity]\nclient_id=${machine_id}\n", &conf);
    assert_string_equal(conf.device_id, "a $ SN.0042gateway-7");
    /* HMAC-SHA-256 of the id; the id itself is seen nowhere */
    assert_string_equal(conf.agent.own_client_id, "2bc57d806c11ca8301e3ecc196be57c2");
    conf_release(&conf);
}

static void machine_word_that_the_machine_does_not_have_is_refused(void **state)
{
    static const char *const no_serials[] = {
        NULL, "", "To be filled by O.E.M.\n", "None", "0000", "123456789", "Default string"
    };
    static const char *const no_ids[] = { NULL,
                                          "",
                                          "uninitialized\n",
                                          "00112233445566778899aabbccddeef\n",
                                          "00112233445566778899aabbccddeeff0\n",
                                          "00112233445566778899aabbccddeeffx\n" };
    const char *const name = host_name, *const id = machine_id, *const number = serial;
    (void)state;

    for (size_t i = 0; i < COUNT(no_serials); i++) {
        serial = no_serials[i];
        assert_refused(BROKER "[device]\nclient_id=${serial}\n",
                       "/etc/agent.conf:5: device.client_id: ${serial}: ", "write it here");
    }
    serial = number;
    for (size_t i = 0; i < COUNT(no_ids); i++) {
        machine_id = no_ids[i];
        assert_refused(BROKER "[device]\nclient_id=${machine_id}\n",
                       "/etc/agent.conf:5: device.client_id: ${machine_id}: ", "setup");
    }
    machine_id = id;
    host_name = "localhost";
    assert_refused(BROKER "[device]\nclient_id=${hostname}\n",
                   "/etc/agent.conf:5: device.client_id: ${hostname}: ", "write another");
    host_name = name;
    assert_refused(BROKER "[device]\nclient_id=${host_name}\n",
                   "/etc/agent.conf:5: device.client_id: ", "write ${hostname}");
}

/* ---- paths and files ------------------------------------------------------------------------- */

static void relative_paths_begin_at_the_files_directory(void **state)
{
    static const struct {
        const char *file, *path, *full;
    } cases[] = {
        { "/etc/agent/a.conf", "ca.pem", "/etc/agent/ca.pem" },
        { "/etc/agent/a.conf", "../ca.pem", "/etc/agent/../ca.pem" },
        { "/etc/agent/a.conf", "/ca.pem", "/ca.pem" },
        { "a.conf", "ca.pem", "ca.pem" },
        { "x/a.conf", "ca.pem", "x/ca.pem" },
        { "/a.conf", "ca.pem", "/ca.pem" },
    };
    char text[512];
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(text, sizeof text,
                       CLAIM_DEVICE
                       "[broker]\nhost=b\nca_file=%s\n[claim]\ncertificate=c\nkey=%s\n",
                       cases[i].path, cases[i].path);
        assert_int_equal(conf_parse(cases[i].file,
                                    (struct agent_span){ (const uint8_t *)text, strlen(text) },
                                    NULL, NULL, &conf, &result),
                         AGENT_OK);
        assert_string_equal(conf.net.ca_file, cases[i].full);
        assert_string_equal(conf.claim_key, cases[i].full);
        conf_release(&conf);
    }
}

static void control_socket_fits_into_an_address(void **state)
{
    char text[512], path[109];
    struct conf conf;
    (void)state;

    for (int n = 107; n <= 108; n++) {
        (void)snprintf(path, sizeof path, "/%0*d", n - 1, 0);
        (void)snprintf(text, sizeof text, CLAIM "[service]\ncontrol_socket = %s\n", path);
        if (n == 108) {
            assert_refused(text, "/etc/agent.conf:12: service.control_socket: ", "most 107 bytes");
            continue;
        }
        assert_taken(text, &conf);
        assert_string_equal(conf.control_socket, path);
        conf_release(&conf);
    }
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    const int fd = __real_open64(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void file_that_others_may_write_is_refused(void **state)
{
    static const struct {
        mode_t mode;
        bool good;
    } cases[] = { { 0600, true },  { 0644, true },  { 0440, true },
                  { 0620, false }, { 0602, false }, { 0666, false } };
    char path[TMP_PATH_MAX], *dir = tmp_new();
    struct conf conf;
    (void)state;

    tmp_path(dir, "a.conf", path);
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_file(path, CLAIM, cases[i].mode);
        memset(&conf, 0xa5, sizeof conf);
        assert_int_equal(conf_load(path, NULL, NULL, &conf, &result),
                         cases[i].good ? AGENT_OK : AGENT_CONFIG);
        if (!cases[i].good)
            assert_non_null(strstr(result.text, "chmod go-w"));
        conf_release(&conf);
        assert_int_equal(unlink(path), 0);
    }
    tmp_free(dir);
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
    static const char *const names[] = { "nothing", "fifo", "." };
    char path[TMP_PATH_MAX], *dir = tmp_new();
    struct conf conf;
    (void)state;

    assert_int_equal(mkfifo(tmp_path(dir, "fifo", path), 0600), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(conf_load(tmp_path(dir, names[i], path), NULL, NULL, &conf, &result),
                         AGENT_CONFIG);
        assert_non_null(strstr(result.text, "--config"));
        assert_null(conf.arena);
    }
    tmp_free(dir);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void missing_memory_is_reported_and_leaves_nothing(void **state)
{
    static const char *const texts[] = {
        CLAIM "[parameters]\na=b\n",
        "{\"broker\":{\"host\":\"b\",\"ca_file\":\"c\"},\"claim\":{\"certificate\":\"c\",\"key\":"
        "\"k\"},"
        "\"device\":{\"client_id\":\"d\",\"method\":\"jit\"}}",
        "{\"endpoint\":\"b\",\"cert\":\"c\",\"key\":\"k\",\"root-ca\":\"r\",\"thing-name\":\"t\"}",
    };
    static const struct conf zero;
    struct conf conf;
    enum agent_class class;
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        for (unsigned n = 1;; n++) {
            alloc_fail_at(n);
            class = parse(texts[i], &conf);
            if (!alloc_failed())
                break;
            assert_int_equal(class, AGENT_LOCAL);
            assert_int_equal(result.class, AGENT_LOCAL);
            assert_non_null(strstr(result.text, "memory"));
            assert_memory_equal(&conf, &zero, sizeof zero);
            assert_true(n < 100);
        }
        assert_int_equal(class, AGENT_OK);
        conf_release(&conf);
    }
}

/* ---- what others read ------------------------------------------------------------------------ */

/* A file below the source tree, with a NUL. */
static char *read_source(const char *name)
{
    char path[512], *text = calloc(1, 1u << 18);
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", PROV_SOURCE_DIR, name);
    file = fopen(path, "rb");
    if (file == NULL || text == NULL)
        fail_msg("cannot read %s", path);
    assert_true(fread(text, 1, (1u << 18) - 1, file) != 0);
    (void)fclose(file);
    return text;
}

static void every_example_loads(void **state)
{
    static const struct {
        const char *name;
        enum agent_method method;
        bool create_keys, stay;
        size_t n_params;
    } examples[] = {
        { "jit.conf", AGENT_METHOD_JIT, false, true, 0 },
        { "claim.conf", AGENT_METHOD_CLAIM, false, false, 2 },
        { "claim-keys.conf", AGENT_METHOD_CLAIM, true, false, 1 },
        { "trusted-user.conf", AGENT_METHOD_TRUSTED_USER, false, true, 1 },
        { "claim.json", AGENT_METHOD_CLAIM, false, true, 2 },
        { "aws-iot-device-client.json", AGENT_METHOD_CLAIM, true, true, 2 },
    };
    char name[128], path[TMP_PATH_MAX], *text, *dir = tmp_new();
    struct conf conf;
    (void)state;

    for (size_t i = 0; i < COUNT(examples); i++) {
        (void)snprintf(name, sizeof name, "templates/agent/%s", examples[i].name);
        text = read_source(name);
        write_file(tmp_path(dir, examples[i].name, path), text, 0600);
        free(text);
        if (conf_load(path, NULL, NULL, &conf, &result) != AGENT_OK)
            fail_msg("%s", result.text);
        assert_string_equal(conf.net.host, "broker.example");
        assert_int_equal(conf.agent.method, examples[i].method);
        assert_int_equal(conf.agent.create_keys, examples[i].create_keys);
        assert_int_equal(conf.agent.stay, examples[i].stay);
        assert_int_equal(conf.agent.n_params, examples[i].n_params);
        conf_release(&conf);
    }
    tmp_free(dir);
}

/* The value alone where a whole configuration is not at hand: it is not what is refused. */
static void assert_default_loads(const struct conf_row *row)
{
    char text[256], name[64];
    struct conf conf;

    (void)snprintf(text, sizeof text, "[%s]\n%s = %s\n", row->section, row->key, row->otherwise);
    (void)snprintf(name, sizeof name, " %s.%s: ", row->section, row->key);
    assert_int_equal(parse(text, &conf), AGENT_CONFIG);
    assert_null(strstr(result.text, name));
}

/* A '-' of the text is "\-" in the page. */
static void add_roff(char *out, size_t cap, const char *text)
{
    for (; *text != '\0'; text++)
        (void)snprintf(out + strlen(out), cap - strlen(out), "%s%c", *text == '-' ? "\\" : "",
                       *text);
}

/* Its form at the head of its paragraph, its default at the end. */
static void assert_page_has(const char *page, const struct conf_row *row)
{
    char wanted[256] = "\n.BR ";
    const char *here, *end;

    add_roff(wanted, sizeof wanted, row->key);
    add_roff(wanted, sizeof wanted, " \" = \\fI");
    add_roff(wanted, sizeof wanted, row->value);
    here = strstr(page, wanted);
    if (here == NULL)
        fail_msg("docs/device-agent.conf.5 has no line that begins: %s", wanted + 1);
    if (row->otherwise[0] == '(')
        return;
    (void)snprintf(wanted, sizeof wanted, "\nDefault:\n.BR ");
    add_roff(wanted, sizeof wanted, row->otherwise);
    end = strstr(here, "\n.TP");
    here = strstr(here, wanted);
    if (here == NULL || (end != NULL && here > end))
        fail_msg("docs/device-agent.conf.5 has another default for %s", row->key);
}

static void table_is_whole_and_the_manual_page_has_every_row(void **state)
{
    char *page = read_source("docs/device-agent.conf.5");
    (void)state;

    assert_int_equal(conf_n_rows, 31);
    for (size_t i = 0; i < conf_n_rows; i++) {
        const struct conf_row *row = &conf_rows[i];

        assert_true(strlen(row->meaning) > 7 && row->meaning[strlen(row->meaning) - 1] == '.');
        assert_true(row->value[0] != '\0');
        if (row->otherwise[0] != '(')
            assert_default_loads(row);
        if (strcmp(row->section, "parameters") != 0)
            assert_page_has(page, row);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_words_are_replaced),
        cmocka_unit_test(machine_word_that_the_machine_does_not_have_is_refused),
        cmocka_unit_test(relative_paths_begin_at_the_files_directory),
        cmocka_unit_test(control_socket_fits_into_an_address),
        cmocka_unit_test(file_that_others_may_write_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused_without_waiting),
        cmocka_unit_test(missing_memory_is_reported_and_leaves_nothing),
        cmocka_unit_test(every_example_loads),
        cmocka_unit_test(table_is_whole_and_the_manual_page_has_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
