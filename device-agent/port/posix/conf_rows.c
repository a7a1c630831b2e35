/* conf_rows.c - every key of the configuration. */
#include "conf_priv.h"

#include <string.h>

#define AT(field) offsetof(struct conf, field)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const struct conf_row conf_rows[] = {
    { "broker", "host", "a host name or an address", "(required)",
      "The broker. Its certificate must be for this name.", &conf_host, AT(net.host) },
    { "broker", "port", "1 to 65535", "8883",
      "Its port for MQTT over TLS. AWS IoT takes 443 as well, with alpn.", &conf_port,
      AT(net.port) },
    { "broker", "ca_file", "a path", "(required)",
      "The CA certificates, in PEM, that the broker's is verified against. No others are trusted.",
      &conf_path, AT(net.ca_file) },
    { "broker", "alpn", "a protocol name, or none", "(x-amzn-mqtt-ca on port 443, otherwise none)",
      "What the TLS handshake asks for, where one port serves several protocols.", &conf_alpn,
      AT(net.alpn) },
    { "broker", "proxy", "http://[USER:PASSWORD@]HOST:PORT", "(none)",
      "An HTTP proxy to go through, with CONNECT. TLS is with the broker, not with the proxy.",
      &conf_proxy, AT(net.proxy) },
    { "broker", "keep_alive", "5s to 12h", "60s",
      "After so long without a message both sides make sure of each other. AWS IoT takes 30s to "
      "20m.",
      &conf_keep_alive, AT(net.keep_alive_s) },
    { "broker", "connect_timeout", "1s to 10m", "30s",
      "The longest that a connection may take, TLS included.", &conf_timeout,
      AT(agent.connect_ms) },
    { "broker", "answer_timeout", "1s to 10m", "60s",
      "The longest that an answer to a provisioning request may take.", &conf_timeout,
      AT(agent.answer_ms) },

    { "device", "client_id", "1 to 128 of A-Z a-z 0-9 _ : . -", "(required)",
      "The MQTT client id until there is an identity, and the common name of its requests. "
      "${hostname}, ${machine_id} and ${serial} are replaced.",
      &conf_client_id, AT(agent.client_id) },
    { "device", "method", "jit, claim or trusted-user", "(required)",
      "How the device comes by its identity: jit, its certificate from the factory is the "
      "identity; claim, a certificate that many devices share is traded for one; trusted-user, "
      "the same, and an installer injects it.",
      &conf_method, AT(agent.method) },
    { "device", "template", "1 to 36 of A-Z a-z 0-9 _ -", "(none)",
      "The provisioning template on the broker. With jit it is what renewals are made by.",
      &conf_template, AT(agent.template_name) },
    { "device", "state_dir", "a path", "/var/lib/device-agent",
      "Where the agent keeps its identity and its record.", &conf_path, AT(state_dir) },
    { "device", "device_id", "1 to 128 bytes", "(the machine's own)",
      "Whose state this is, so that a copied disk does not go on as the same device. Replaced "
      "as in client_id.",
      &conf_any_text, AT(device_id) },
    { "device", "keys", "device or broker", "device",
      "Who makes the private key. broker: it comes over the network with the certificate "
      "(CreateKeysAndCertificate); device: it never leaves it.",
      &conf_keys_of, AT(agent.create_keys) },

    { "claim", "certificate", "a path", "(none)",
      "The certificate that the device comes with, in PEM, its chain behind it.", &conf_path,
      AT(claim_cert) },
    { "claim", "key", "a path, or a pkcs11: URI", "(none)",
      "Its private key, in PEM or in a token.", &conf_key_place, AT(claim_key) },
    { "claim", "after_use", "keep or delete", "delete",
      "What becomes of the claim once the device has connected with its own identity. Not with "
      "jit, where it is the identity.",
      &conf_after_use, AT(agent.keep_claim) },

    { "parameters", "NAME", "up to 1024 bytes", "(none)",
      "A parameter of the template. NAME is 1 to 128 of A-Z a-z 0-9 : _ -, at most 32 of them. "
      "Values are replaced as in client_id.",
      &conf_parameter, 0 },

    { "identity", "client_id", "1 to 128 of A-Z a-z 0-9 _ : . -", "(the thing's name)",
      "The MQTT client id with the own identity. Replaced as in device.client_id.", &conf_client_id,
      AT(agent.own_client_id) },
    { "identity", "key_type", "ec-p256 or rsa-2048", "ec-p256", "What kind of key is made.",
      &conf_key_type, AT(keys.type) },
    { "identity", "pkcs11", "pkcs11:token=NAME;object=NAME", "(keys are in files)",
      "Where keys are made and stay: a URI (RFC 7512) of a token. The key of generation N is "
      "called OBJECT-N. pin-source names a file with the PIN.",
      &conf_uri, AT(keys.pkcs11) },
    { "identity", "group", "a group's name or number", "(none)",
      "Who else may read the identity, its key included.", &conf_group, AT(group) },
    { "identity", "renew_at", "1% to 99%, or never", "66%",
      "How much of its certificate's lifetime is over when the device gets a new one. Needs a "
      "template.",
      &conf_percent, AT(agent.renew_percent) },

    { "service", "stay_connected", "yes or no", "no",
      "Whether the agent stays connected once there is an identity. AWS IoT lets one connection "
      "at a time use a client id.",
      &conf_yes_no, AT(agent.stay) },
    { "service", "heartbeat_topic", "a topic of up to 256 bytes, without + and #", "(none)",
      "Where it tells that it is well. {thing_name} and {client_id} are replaced.", &conf_topic,
      AT(agent.heartbeat_topic) },
    { "service", "heartbeat", "1s to 168h", "60s", "How often.", &conf_interval,
      AT(agent.heartbeat_s) },
    { "service", "will_topic", "a topic of up to 256 bytes, without + and #", "(none)",
      "Where the broker tells that it went away. Replaced as in heartbeat_topic.", &conf_topic,
      AT(net.will_topic) },
    { "service", "will_payload", "up to 1024 bytes", "(an empty message)", "What it tells there.",
      &conf_payload, AT(net.will_payload) },
    { "service", "on_provisioned", "a program's whole path and its arguments", "(none)",
      "What to run when there is an identity. Arguments with spaces go into double quotes; no "
      "shell is between.",
      &conf_program, AT(on_provisioned) },
    { "service", "on_renewed", "a program's whole path and its arguments", "(none)",
      "Likewise, when there is a new one in its place.", &conf_program, AT(on_renewed) },
    { "service", "control_socket", "a path of up to 107 bytes", "(agent.sock in state_dir)",
      "Where the agent listens to its own commands, such as renew.", &conf_socket,
      AT(control_socket) },
};
_Static_assert(AGENT_MAX_TOPIC == 257 && AGENT_MAX_CLIENT_ID == 129 &&
                   AGENT_MAX_TEMPLATE_NAME == 37,
               "the rows say how long these may be");
const size_t conf_n_rows = COUNT(conf_rows);
_Static_assert(COUNT(conf_rows) <= CONF_MAX_ROWS, "conf_reader has no room for all rows");

bool conf_is_free(const char *section)
{
    return strcmp(section, "parameters") == 0;
}

const struct conf_row *conf_find(const char *section, const char *key)
{
    for (size_t i = 0; i < conf_n_rows; i++) {
        if (strcmp(conf_rows[i].section, section) == 0 &&
            (conf_is_free(section) || strcmp(conf_rows[i].key, key) == 0))
            return &conf_rows[i];
    }
    return NULL;
}

bool conf_given(const struct conf_reader *r, const char *section, const char *key)
{
    return r->given[conf_find(section, key) - conf_rows] != 0;
}
