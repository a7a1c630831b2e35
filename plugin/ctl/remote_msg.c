#include "remote_msg.h"

#include "call.h"
#include "core/api.h"
#include "core/json.h"

/* ---- the message ----------------------------------------------------------------------------- */

static cJSON *message(const char *op, const char *correlation, const cJSON *params)
{
    cJSON *command = cJSON_Duplicate(params, true), *root = cJSON_CreateObject(), *list;

    list = cJSON_AddArrayToObject(root, "commands");
    if (command != NULL && list != NULL && cJSON_AddStringToObject(command, "command", op) &&
        cJSON_AddStringToObject(command, "correlationData", correlation) &&
        cJSON_AddItemToArray(list, command))
        return root;
    cJSON_Delete(command);
    cJSON_Delete(root);
    return NULL;
}

enum prov_rc ctl_message_make(const char *op, const char *correlation, const cJSON *params,
                              struct prov_buf *out, struct prov_err *err)
{
    cJSON *root = message(op, correlation, params);
    char *text = cJSON_PrintUnformatted(root);
    enum prov_rc rc;

    prov_buf_init(out, PROV_MAX_API_PAYLOAD);
    if (text == NULL)
        rc = prov_nomem(err);
    else {
        prov_buf_add_str(out, text);
        rc = out->rc;
    }
    if (rc == PROV_ETOOBIG)
        rc = prov_fail(err, rc, "InvalidRequestException",
                       "that is more than the %d MB that a broker takes at once: use --db, on the "
                       "broker's machine",
                       PROV_MAX_API_PAYLOAD >> 20);
    cJSON_free(text);
    cJSON_Delete(root);
    return rc;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* A prov_err points to static text: the codes that it may have. */
static const char *known_code(struct prov_span code)
{
    static const char *const codes[] = {
        "CertificateConflictException",
        "CertificateStateException",
        "CertificateValidationException",
        "ConflictingResourceUpdateException",
        "DeleteConflictException",
        "InvalidRequestException",
        "LimitExceededException",
        "MalformedPolicyException",
        "RegistrationCodeValidationException",
        "ResourceAlreadyExistsException",
        "ResourceConflictsException",
        "ResourceNotFoundException",
        "ResourceRegistrationFailureException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TransferAlreadyCompletedException",
        "TransferConflictException",
        "UnauthorizedException",
        "VersionConflictException",
        "VersionsLimitExceededException",
    };

    for (size_t i = 0; i < PROV_COUNT(codes); i++) {
        if (prov_span_eq_str(code, codes[i]))
            return codes[i];
    }
    return "InternalFailureException";
}

static enum prov_rc read_error(const cJSON *response, struct prov_span text, struct prov_err *err)
{
    char class[32];
    enum prov_rc rc;

    (void)prov_span_copy(ctl_get(response, "errorClass"), class, sizeof class);
    rc = prov_fail(err, prov_api_rc(class), known_code(ctl_get(response, "errorCode")), "%.*s",
                   PROV_SPAN_ARG(text));
    err->line = ctl_get_version(response, "line"); /* they count from 1 as well */
    err->col = ctl_get_version(response, "column");
    (void)prov_span_copy(ctl_get(response, "path"), err->path, sizeof err->path);
    return rc;
}

/* The response to our command; or one to a message that the broker could not read, for only one of
 * ours is on its way at a time. */
static cJSON *find(const cJSON *root, const char *correlation)
{
    const cJSON *responses = ctl_get_array(root, "responses");
    cJSON *response;

    cJSON_ArrayForEach(response, responses)
    {
        if (prov_span_eq_str(ctl_get(response, "correlationData"), correlation))
            return response;
        if (ctl_get(response, "command").n == 0 && ctl_get(response, "correlationData").n == 0 &&
            ctl_get(response, "error").n != 0)
            return response;
    }
    return NULL;
}

static enum prov_rc take_data(cJSON *response, cJSON **data, struct prov_err *err)
{
    *data = cJSON_DetachItemFromObjectCaseSensitive(response, "data");
    if (*data == NULL || cJSON_IsNull(*data)) {
        cJSON_Delete(*data);
        *data = cJSON_CreateObject();
        return *data != NULL ? PROV_OK : prov_nomem(err);
    }
    if (cJSON_IsObject(*data))
        return PROV_OK;
    cJSON_Delete(*data);
    *data = NULL;
    return prov_fail(err, PROV_EBUG, "InternalFailureException",
                     "the broker's answer makes no sense: its data is no object");
}

enum prov_rc ctl_message_read(struct prov_span text, const char *correlation, bool *ours,
                              cJSON **data, struct prov_err *err)
{
    struct prov_err why = { .rc = PROV_OK };
    struct prov_span error;
    cJSON *root, *response;
    enum prov_rc rc;

    *ours = true;
    *data = NULL;
    rc = prov_json_parse(text, PROV_MAX_API_PAYLOAD, &root, &why);
    if (rc == PROV_ENOMEM)
        return prov_nomem(err);
    if (rc != PROV_OK)
        return prov_fail(err, PROV_EBUG, "InternalFailureException",
                         "the broker's answer makes no sense: %s", why.text);
    response = find(root, correlation);
    *ours = response != NULL;
    error = ctl_get(response, "error");
    if (response != NULL)
        rc = error.n != 0 ? read_error(response, error, err) : take_data(response, data, err);
    prov_api_drop(root);
    return rc;
}
