#include "answers.h"

#include <limits.h>
#include <stdlib.h>

struct answer {
    struct answer *next;
    struct prov_asker asker;
    struct prov_buf payload;
    int qos;
    bool correlated;
    struct prov_buf correlation;
    char topic[]; /* NUL-terminated */
};

/* A client id that the broker holds an answer for, since the last tick. */
struct receiver {
    UT_hash_handle hh;
    char client_id[]; /* the key */
};

struct prov_answers {
    struct answer *head, *tail;
    struct receiver *under_way;
};

enum prov_rc prov_answers_new(struct prov_answers **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PROV_OK : PROV_ENOMEM;
}

static void free_answer(struct answer *answer)
{
    prov_buf_wipe(&answer->payload);
    prov_buf_release(&answer->correlation);
    free(answer);
}

static void forget_receivers(struct prov_answers *answers)
{
    struct receiver *receiver, *next;

    HASH_ITER(hh, answers->under_way, receiver, next)
    {
        HASH_DEL(answers->under_way, receiver);
        free(receiver);
    }
}

void prov_answers_free(struct prov_answers *answers)
{
    struct answer *answer;

    if (answers == NULL)
        return;
    while ((answer = answers->head) != NULL) {
        answers->head = answer->next;
        free_answer(answer);
    }
    forget_receivers(answers);
    free(answers);
}

static struct answer *make_answer(const struct prov_asker *asker, const struct prov_reply *reply)
{
    const size_t n = strlen(reply->topic) + 1;
    struct answer *answer = calloc(1, sizeof *answer + n);

    if (answer == NULL)
        return NULL;
    answer->asker = *asker;
    answer->qos = reply->qos;
    answer->correlated = reply->correlation.p != NULL;
    prov_buf_init(&answer->correlation, UINT16_MAX);
    prov_buf_add(&answer->correlation, reply->correlation);
    memcpy(answer->topic, reply->topic, n);
    if (answer->correlation.rc == PROV_OK)
        return answer;
    free_answer(answer);
    return NULL;
}

void prov_answer(struct prov_plugin *pl, const struct prov_asker *asker,
                 const struct prov_reply *reply, struct prov_buf *payload)
{
    struct prov_answers *answers = pl->answers;
    struct answer *answer = make_answer(asker, reply);

    if (answer == NULL) {
        prov_buf_wipe(payload);
        return;
    }
    answer->payload = *payload;
    memset(payload, 0, sizeof *payload);
    if (answers->head == NULL)
        answers->head = answer;
    else
        answers->tail->next = answer;
    answers->tail = answer;
    if (!pl->ticks) /* a broker that gives none (2.0 with per_listener_settings) */
        prov_answers_send(pl);
}

/* Remembered before it is handed over: without memory for it nothing is sent. */
static bool expect(struct prov_answers *answers, const char *client_id)
{
    const size_t n = strlen(client_id) + 1;
    struct receiver *receiver = NULL;

    HASH_FIND_STR(answers->under_way, client_id, receiver);
    if (receiver != NULL)
        return true;
    receiver = calloc(1, sizeof *receiver + n);
    if (receiver == NULL)
        return false;
    memcpy(receiver->client_id, client_id, n);
    HASH_ADD_STR(answers->under_way, client_id, receiver);
    if (receiver->hh.tbl != NULL)
        return true;
    free(receiver);
    return false;
}

/* The broker owns the properties when it has taken the message. */
static void publish(const struct answer *answer, const char *client_id)
{
    const struct prov_span data = prov_buf_span(&answer->correlation);
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;

    if (answer->correlated)
        rc = mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, data.p,
                                           (uint16_t)data.n);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_broker_publish_copy(client_id, answer->topic, (int)answer->payload.n,
                                           answer->payload.p, answer->qos, false, properties);
    if (rc != MOSQ_ERR_SUCCESS)
        mosquitto_property_free_all(&properties);
}

static void hand_over(struct prov_plugin *pl, struct answer *answer)
{
    const struct prov_session *session = prov_sessions_find(pl->sessions, answer->asker.client);

    if (session == NULL || session->gone || session->number != answer->asker.session ||
        answer->payload.n > INT_MAX || !expect(pl->answers, session->client_id))
        return;
    pl->published = true;
    publish(answer, session->client_id);
}

void prov_answers_send(struct prov_plugin *pl)
{
    struct prov_answers *answers = pl->answers;
    struct answer *answer;

    if (answers->under_way != NULL)
        forget_receivers(answers);
    while ((answer = answers->head) != NULL) {
        answers->head = answer->next;
        hand_over(pl, answer);
        free_answer(answer);
    }
}

bool prov_answers_under_way(struct prov_plugin *pl, const char *client_id)
{
    struct receiver *receiver = NULL;

    HASH_FIND_STR(pl->answers->under_way, client_id, receiver);
    return receiver != NULL;
}
