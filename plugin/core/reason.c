#include "reason.h"

static const struct prov_reason_info table[] = {
    [PROV_REASON_NONE] = { "unknown", "InternalFailureException", PROV_STEP_CONNECT, false,
                           "The reason is not known to this program.",
                           "Use a provctl of the same version as the plugin." },
    [PROV_REASON_MALFORMED] = { "certificate-malformed", "CertificateValidationException",
                                PROV_STEP_HANDSHAKE, false,
                                "The device's certificate cannot be read as X.509.",
                                "Look at it with `openssl x509 -text`; issue the device a new "
                                "one." },
    [PROV_REASON_KEY_WEAK] = { "key-weak", "CertificateValidationException", PROV_STEP_HANDSHAKE,
                               false,
                               "The device's key is too weak: RSA needs 2048 bits or more, EC one "
                               "of P-256, P-384 and P-521.",
                               "Issue the device a certificate over a stronger key." },
    [PROV_REASON_KEY_KIND] = { "key-kind", "CertificateValidationException", PROV_STEP_HANDSHAKE,
                               false, "The device's key is neither RSA nor EC.",
                               "Issue the device a certificate over an RSA or EC key." },
    [PROV_REASON_SIGNATURE_ALGORITHM] = { "signature-algorithm", "CertificateValidationException",
                                          PROV_STEP_HANDSHAKE, false,
                                          "The device's certificate is signed with an algorithm "
                                          "that is not accepted, such as SHA-1 or MD5.",
                                          "Let the CA sign with SHA-256 or better." },
    [PROV_REASON_LEAF_IS_CA] = { "leaf-is-ca", "CertificateValidationException",
                                 PROV_STEP_HANDSHAKE, false,
                                 "The device presented a CA certificate as its own.",
                                 "Issue the device a certificate with CA:FALSE." },
    [PROV_REASON_USAGE] = { "key-usage", "CertificateValidationException", PROV_STEP_HANDSHAKE,
                            false,
                            "The certificate's extendedKeyUsage does not allow client "
                            "authentication.",
                            "Issue it with extendedKeyUsage clientAuth, or without that "
                            "extension." },
    [PROV_REASON_CRITICAL_EXTENSION] = { "critical-extension", "CertificateValidationException",
                                         PROV_STEP_HANDSHAKE, false,
                                         "The certificate has a critical extension that is not "
                                         "understood here.",
                                         "Issue it without that extension, or not critical." },
    [PROV_REASON_NOT_YET_VALID] = { "not-yet-valid", "CertificateValidationException",
                                    PROV_STEP_HANDSHAKE, false,
                                    "The device's certificate is not valid yet.",
                                    "Check this machine's clock, and notBefore of the "
                                    "certificate." },
    [PROV_REASON_EXPIRED] = { "expired", "CertificateValidationException", PROV_STEP_HANDSHAKE,
                              false, "The device's certificate has expired.",
                              "Check this machine's clock; issue the device a new certificate." },
    [PROV_REASON_UNKNOWN_ISSUER] = { "unknown-issuer", "DEVICE_CERTIFICATE_NOT_REGISTERED",
                                     PROV_STEP_ISSUER, false,
                                     "The certificate is not registered, and no registered CA has "
                                     "its issuer's name.",
                                     "Register the CA that signs the devices directly: `provctl ca "
                                     "register FILE --sni-only --active --auto-register`." },
    [PROV_REASON_ISSUER_KEY] = { "issuer-key", "DEVICE_CERTIFICATE_NOT_REGISTERED",
                                 PROV_STEP_ISSUER, false,
                                 "A registered CA has the issuer's name, but its key did not sign "
                                 "this certificate.",
                                 "If the CA was renewed with a new key, register the new one too. "
                                 "If not, somebody may be imitating it." },
    [PROV_REASON_CA_INACTIVE] = { "ca-inactive", "CertificateStateException", PROV_STEP_ISSUER,
                                  false,
                                  "The CA that signed the certificate is INACTIVE, so it admits no "
                                  "new devices.",
                                  "`provctl ca update CA --status ACTIVE`" },
    [PROV_REASON_CA_EXPIRED] = { "ca-expired", "CertificateValidationException", PROV_STEP_ISSUER,
                                 false,
                                 "The CA that signed the certificate has expired, so it admits no "
                                 "new devices.",
                                 "Register the CA's renewed certificate." },
    [PROV_REASON_NO_AUTO_REGISTRATION] = { "no-auto-registration",
                                           "DEVICE_CERTIFICATE_NOT_REGISTERED", PROV_STEP_ISSUER,
                                           false,
                                           "The CA is registered, but auto-registration is off for "
                                           "it.",
                                           "`provctl ca update CA --auto-register on`, or register "
                                           "this certificate: `provctl cert register FILE`." },
    [PROV_REASON_CERT_INACTIVE] = { "certificate-inactive", "DEVICE_CERTIFICATE_INACTIVE",
                                    PROV_STEP_CERTIFICATE, false,
                                    "The certificate is registered and INACTIVE.",
                                    "`provctl cert update CERTIFICATE --status ACTIVE`" },
    [PROV_REASON_CERT_REVOKED] = { "certificate-revoked", "DEVICE_CERTIFICATE_REVOKED",
                                   PROV_STEP_CERTIFICATE, false, "The certificate is REVOKED.",
                                   "That cannot be undone: issue the device a new certificate." },
    [PROV_REASON_CERT_PENDING_TRANSFER] = { "certificate-pending-transfer",
                                            "DEVICE_CERTIFICATE_INACTIVE", PROV_STEP_CERTIFICATE,
                                            false, "The certificate is being transferred.",
                                            "Accept, reject or cancel the transfer." },
    [PROV_REASON_CERT_PENDING] = { "certificate-pending", "DEVICE_CERTIFICATE_INACTIVE",
                                   PROV_STEP_CERTIFICATE, false,
                                   "The certificate is recorded as PENDING_ACTIVATION and waits to "
                                   "be activated.",
                                   "If a claim obtained it, its device must register a thing with "
                                   "it first. If a CA signed it, give that CA a template (`provctl "
                                   "ca update CA --template NAME`), or activate it: `provctl cert "
                                   "update CERTIFICATE --status ACTIVE`." },
    [PROV_REASON_ALTERED] = { "certificate-altered", "CertificateValidationException",
                              PROV_STEP_CERTIFICATE, false,
                              "The certificate is a registered one whose signature was written "
                              "differently, which anyone who holds it can do.",
                              "Treat the device as hostile: nothing that is well meant does this. "
                              "Find the certificate it was made from by its common name." },
    [PROV_REASON_CLIENT_ID] = { "client-id", "InvalidRequestException", PROV_STEP_CONNECT, false,
                                "The client id is not acceptable: 1 to 128 bytes, not starting "
                                "with $.",
                                "Change the client id in the device's configuration." },
    [PROV_REASON_SKIPPED] = { "plugin-skipped", "NOT_AUTHENTICATED", PROV_STEP_CONNECT, false,
                              "The broker never asked this plugin about the client, so it has no "
                              "rights.",
                              "Remove use_identity_as_username and use_subject_as_username from "
                              "the listener: with them Mosquitto skips the plugin." },
    [PROV_REASON_FIRST_CONTACT] = { "first-contact", "DEVICE_CERTIFICATE_NOT_REGISTERED",
                                    PROV_STEP_REGISTER, true,
                                    "First contact: the certificate is being recorded and "
                                    "provisioned.",
                                    "Nothing: the device gets in when it tries again." },
    [PROV_REASON_BUSY] = { "busy", "ThrottlingException", PROV_STEP_REGISTER, true,
                           "Too many registrations were waiting.",
                           "Nothing: the device gets in when it tries again. If this lasts, raise "
                           "queue_limit or look at the disk." },
    [PROV_REASON_STORE] = { "store", "InternalFailureException", PROV_STEP_REGISTER, true,
                            "The registry could not be read or written.",
                            "Look at the disk and at db_path: `provctl check`." },
    [PROV_REASON_INTERNAL] = { "internal", "InternalFailureException", PROV_STEP_REGISTER, true,
                               "The plugin ran out of memory or failed itself.",
                               "Look at the lines before this one in the broker's log." },
    [PROV_REASON_TEMPLATE_MISSING] = { "template-missing", "ResourceNotFoundException",
                                       PROV_STEP_TEMPLATE, false,
                                       "The CA names a template that does not exist.",
                                       "Create it (`provctl template create NAME FILE --type "
                                       "JITP`) or name another (`provctl ca update CA --template "
                                       "NAME`)." },
    [PROV_REASON_TEMPLATE_DISABLED] = { "template-disabled", "InvalidRequestException",
                                        PROV_STEP_TEMPLATE, false, "The CA's template is disabled.",
                                        "`provctl template update NAME --enabled on`" },
    [PROV_REASON_TEMPLATE_FAILED] = { "template-failed", "ResourceRegistrationFailureException",
                                      PROV_STEP_TEMPLATE, false,
                                      "The template could not be carried out for this device; "
                                      "nothing of it was kept.",
                                      "Correct the template, the certificate's subject or what the "
                                      "template refers to; the device's next try runs it again." },
    [PROV_REASON_CONNECT_DENIED] = { "connect-denied", "AUTHORIZATION_FAILURE", PROV_STEP_POLICY,
                                     false,
                                     "The certificate's policies do not allow iot:Connect with "
                                     "this client id.",
                                     "`provctl policy test --cert CERTIFICATE --client-id ID "
                                     "--action iot:Connect` tells which statement decides." },
    [PROV_REASON_PUBLISH_DENIED] = { "publish-denied", "AUTHORIZATION_FAILURE", PROV_STEP_POLICY,
                                     false, "The policies do not allow publishing to this topic.",
                                     "`provctl policy test --cert CERTIFICATE --client-id ID "
                                     "--action iot:Publish --resource TOPIC`" },
    [PROV_REASON_SUBSCRIBE_DENIED] = { "subscribe-denied", "AUTHORIZATION_FAILURE",
                                       PROV_STEP_POLICY, false,
                                       "The policies do not allow subscribing to this filter.",
                                       "`provctl policy test --cert CERTIFICATE --client-id ID "
                                       "--action iot:Subscribe --resource FILTER`; resources of "
                                       "iot:Subscribe start with topicfilter/." },
    [PROV_REASON_RESERVED_TOPIC] = { "reserved-topic", "AUTHORIZATION_FAILURE", PROV_STEP_POLICY,
                                     false,
                                     "Devices cannot publish to reserved topics, whatever their "
                                     "policy says.",
                                     "Publish to a topic that does not start with $." },
    [PROV_REASON_PROVISIONED] = { "provisioned", "", PROV_STEP_TEMPLATE, true,
                                  "The certificate was recorded, provisioned and activated.",
                                  "Nothing: the device gets in when it tries again." },
    [PROV_REASON_HOOK_FAILED] = { "hook-failed", "InternalFailureException", PROV_STEP_TEMPLATE,
                                  false,
                                  "The activation hook gave no answer that counts, so the "
                                  "certificate stays PENDING_ACTIVATION.",
                                  "Correct the hook (the detail tells what it did); the device's "
                                  "next try asks it again." },
    [PROV_REASON_HOOK_REJECTED] = { "hook-rejected", "AccessDeniedException", PROV_STEP_TEMPLATE,
                                    false,
                                    "The activation hook rejected the certificate, which is "
                                    "INACTIVE now.",
                                    "If the hook was wrong: `provctl cert update CERTIFICATE "
                                    "--status ACTIVE`, or delete the certificate to have the hook "
                                    "asked again." },
    [PROV_REASON_THROTTLED] = { "throttled", "ThrottlingException", PROV_STEP_CONNECT, true,
                                "It came too often.",
                                "If it is well meant, raise the limit that the detail names; one "
                                "certificate that comes from many addresses has been copied." },
    [PROV_REASON_TAKEOVER] = { "answer-under-way", "ThrottlingException", PROV_STEP_CONNECT, true,
                               "An answer for the client id's last connection was still on its "
                               "way.",
                               "Nothing: the device gets in when it tries again." },
    [PROV_REASON_CERT_DELETED] = { "certificate-deleted", "DEVICE_CERTIFICATE_NOT_REGISTERED",
                                   PROV_STEP_CERTIFICATE, false,
                                   "The certificate was deleted while its device was connected.",
                                   "Register it again if that was a mistake: `provctl cert "
                                   "register "
                                   "FILE`." },
    [PROV_REASON_CERT_LISTED] = { "certificate-listed", "DEVICE_CERTIFICATE_REVOKED",
                                  PROV_STEP_CERTIFICATE, false,
                                  "A revocation list of its CA names the certificate.",
                                  "Issue the device a new certificate; `provctl ca show CA` tells "
                                  "which list was imported." },
    [PROV_REASON_BAD_REQUEST] = { "bad-request", "InvalidRequestException", PROV_STEP_REQUEST,
                                  false, "The payload of a provisioning request cannot be used.",
                                  "The detail says where; the device's program must send what the "
                                  "operation takes." },
    [PROV_REASON_BAD_CSR] = { "bad-csr", "InvalidRequestException", PROV_STEP_ISSUE, false,
                              "The certificate signing request is not one to certify.",
                              "The detail says why. Make the device sign its request with the key "
                              "that it asks for: RSA of 2048 bits or more, or EC on P-256, P-384 "
                              "or P-521." },
    [PROV_REASON_BAD_TOKEN] = { "bad-token", "InvalidCertificateOwnershipToken", PROV_STEP_CLAIM,
                                false,
                                "The certificate ownership token is not good for this claim, or "
                                "not any more.",
                                "The device must create a certificate again and register with the "
                                "token that comes with it, within token_ttl_s and over a "
                                "connection of the same claim." },
    [PROV_REASON_CLAIM_SUSPENDED] = { "claim-suspended", "AccessDeniedException", PROV_STEP_CLAIM,
                                      false,
                                      "The claim is suspended: nothing can be provisioned with it.",
                                      "Find out who uses it: `provctl claim show CERTIFICATE`. If "
                                      "all is well, `provctl claim resume CERTIFICATE`; if it was "
                                      "stolen, `provctl cert update CERTIFICATE --status "
                                      "REVOKED`." },
    [PROV_REASON_CLAIM_SPENT] = { "claim-spent", "AccessDeniedException", PROV_STEP_CLAIM, false,
                                  "As many things were registered with the claim as it is good "
                                  "for.",
                                  "If more are to come: `provctl claim limit CERTIFICATE --uses "
                                  "N`." },
    [PROV_REASON_CLAIM_RATE] = { "claim-rate", "ThrottlingException", PROV_STEP_CLAIM, true,
                                 "Certificates were asked for faster than the claim may have them.",
                                 "If it is well meant, raise the limit that the detail names; the "
                                 "device gets its certificate when it asks again later." },
    [PROV_REASON_CLAIM_WINDOW] = { "claim-window", "AccessDeniedException", PROV_STEP_CLAIM, false,
                                   "The claim may not be used at this time.",
                                   "Change its window: `provctl claim limit CERTIFICATE --from "
                                   "TIME --until TIME`." },
    [PROV_REASON_CLAIM_NETWORK] = { "claim-network", "AccessDeniedException", PROV_STEP_CLAIM,
                                    false, "The claim may not be used from this address.",
                                    "If the address is one of yours: `provctl claim limit "
                                    "CERTIFICATE --network CIDR`, with all that it is to have." },
    [PROV_REASON_CLAIM_TEMPLATE] = { "claim-template", "AccessDeniedException", PROV_STEP_CLAIM,
                                     false, "The claim is not for this template.",
                                     "If it is to be: `provctl claim limit CERTIFICATE --template "
                                     "NAME`, with all that it is to have." },
    [PROV_REASON_CLAIM_PARAMETER] = { "claim-parameter", "AccessDeniedException", PROV_STEP_CLAIM,
                                      false,
                                      "A parameter's value is not on the claim's allow list.",
                                      "If the device is one of yours: `provctl claim allow "
                                      "CERTIFICATE PARAMETER VALUE`." },
    [PROV_REASON_CLAIM_THING] = { "claim-thing", "AccessDeniedException", PROV_STEP_CLAIM, false,
                                  "A device may renew the certificate of its own thing alone, and "
                                  "asked for another's.",
                                  "If one device is to take another's place, let the template not "
                                  "retire (`provctl template update NAME --retire-previous off`), "
                                  "or give it a claim of its own: `provctl claim create "
                                  "TEMPLATE`." },
    [PROV_REASON_NO_ISSUER] = { "no-issuer", "ServiceUnavailableException", PROV_STEP_ISSUE, true,
                                "There is nobody here to issue certificates.",
                                "Make an issuer: `provctl issuer create`; or name one with the "
                                "options issuer_cert and issuer_key." },
    [PROV_REASON_ISSUER_FAILED] = { "issuer-failed", "InternalFailureException", PROV_STEP_ISSUE,
                                    true, "The issuer's key could not be used.",
                                    "The detail says why. For a PKCS#11 token: is it there, and "
                                    "its PIN right?" },
    [PROV_REASON_PROVIDER_FAILED] = { "provider-failed", "InternalFailureException",
                                      PROV_STEP_ISSUE, true,
                                      "The certificate provider gave no certificate, or one that "
                                      "is not an answer to the request.",
                                      "The detail says why. Try the hook by hand with a request as "
                                      "docs/guide.md shows it." },
    [PROV_REASON_TEMPLATE_TYPE] = { "template-type", "InvalidRequestException", PROV_STEP_TEMPLATE,
                                    false,
                                    "The template is not for devices to name: it is of type JITP.",
                                    "Create one of type FLEET_PROVISIONING." },
    [PROV_REASON_PRE_HOOK_FAILED] = { "pre-provisioning-hook-failed", "AccessDeniedException",
                                      PROV_STEP_TEMPLATE, true,
                                      "The template's pre-provisioning hook gave no answer that "
                                      "counts.",
                                      "The detail says what happened instead. Run the hook by hand "
                                      "with a request as docs/guide.md shows it." },
    [PROV_REASON_PRE_HOOK_REJECTED] = { "pre-provisioning-hook-rejected", "AccessDeniedException",
                                        PROV_STEP_TEMPLATE, false,
                                        "The template's pre-provisioning hook did not allow it.",
                                        "If the hook was wrong, correct it; the device may ask "
                                        "again with the same token." },
    [PROV_REASON_ISSUED] = { "issued", "", PROV_STEP_ISSUE, false,
                             "A certificate was issued for the claim; it waits to be registered.",
                             "Nothing: its device registers a thing with it next." },
};
_Static_assert(PROV_COUNT(table) == PROV_REASONS, "a reason was added without a row");

const struct prov_reason_info *prov_reason_info(enum prov_reason reason)
{
    return &table[(size_t)reason < PROV_COUNT(table) ? reason : PROV_REASON_NONE];
}

const char *prov_step_name(enum prov_step step)
{
    static const char *const names[] = {
        [PROV_STEP_HANDSHAKE] = "handshake",
        [PROV_STEP_ISSUER] = "issuer",
        [PROV_STEP_CERTIFICATE] = "certificate",
        [PROV_STEP_CONNECT] = "connect",
        [PROV_STEP_REGISTER] = "register",
        [PROV_STEP_TEMPLATE] = "template",
        [PROV_STEP_POLICY] = "policy",
        [PROV_STEP_REQUEST] = "request",
        [PROV_STEP_CLAIM] = "claim",
        [PROV_STEP_ISSUE] = "issue",
    };
    _Static_assert(PROV_COUNT(names) == PROV_STEPS, "a step was added without a name");

    return (size_t)step < PROV_COUNT(names) ? names[step] : "unknown";
}
