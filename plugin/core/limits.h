/*
 * limits.h - every limit of the registry and its documents, in one place.
 *
 * The figures are AWS IoT Core's where it has one (reference sections 2.9, 7.1, 8.6, 8.9, 11); the
 * rest are ours and bound what an outsider can make us keep.
 */
#ifndef PROV_LIMITS_H
#define PROV_LIMITS_H

/* names and values, in bytes */
#define PROV_MAX_NAME 128 /* thing, type, group, billing group, policy */
#define PROV_MAX_TEMPLATE_NAME 36
#define PROV_MAX_CLIENT_ID 128
#define PROV_MAX_TOPIC 65535 /* MQTT's own; the broker has its limits too */
#define PROV_MAX_ATTR_NAME 128
#define PROV_MAX_ATTR_VALUE 800
#define PROV_MAX_ATTRS_TOTAL (47 * 1024)
#define PROV_MAX_DESCRIPTION 500
#define PROV_MAX_TRANSFER_MESSAGE 128
#define PROV_MAX_PARAM_NAME 2048
#define PROV_MAX_PARAM_VALUE 4096

/* counts */
#define PROV_MAX_ATTRS 50 /* of a thing with a type */
#define PROV_MAX_ATTRS_UNTYPED 3
#define PROV_MAX_SEARCHABLE 3    /* searchable attributes of a thing type */
#define PROV_MAX_THING_GROUPS 10 /* groups a thing is a direct member of */
#define PROV_MAX_GROUP_DEPTH 7
#define PROV_MAX_GROUP_CHILDREN 100
#define PROV_MAX_CERT_POLICIES 10
#define PROV_MAX_GROUP_POLICIES 2
#define PROV_MAX_CERT_THINGS 100      /* ours: things one certificate is attached to */
#define PROV_MAX_THING_PRINCIPALS 100 /* ours */
#define PROV_MAX_VERSIONS 5           /* of a policy or a template */
#define PROV_MAX_TEMPLATES 256
#define PROV_MAX_CAS_PER_SUBJECT 10
#define PROV_MAX_CERT_CLIENTS 256   /* ours: client ids with a session remembered per certificate */
#define PROV_MAX_CLAIM_TEMPLATES 16 /* ours, and those below */
#define PROV_MAX_CLAIM_NETWORKS 16
#define PROV_MAX_CLAIM_PARAMETERS 8   /* with an allow list */
#define PROV_MAX_CLAIM_VALUES 1000000 /* on the allow lists of one claim */

/* documents, in bytes */
#define PROV_MAX_POLICY_DOC 2048   /* without white space */
#define PROV_MAX_POLICY_TEXT 20480 /* with it */
#define PROV_MAX_TEMPLATE_BODY 10240
#define PROV_MAX_CERT_DER 16384 /* ours */
#define PROV_MAX_CERT_PEM 65536
#define PROV_MAX_JSON_DEPTH 32          /* ours */
#define PROV_MAX_CRL (32 * 1024 * 1024) /* ours: some 800,000 entries */

/* policy variables (reference 8.6) */
#define PROV_MAX_VAR_ITEMS 5
#define PROV_MAX_VAR_VALUE 1024

/* bounded logs, in entries (ours) */
#define PROV_MAX_FEED 100000
#define PROV_MAX_ATTEMPTS 100000

#endif
