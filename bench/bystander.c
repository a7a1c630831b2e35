#include "bystander.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/resource.h>

#include "support/mqtt.h"

#define GAP_NS 1000000

enum phase { IDLE, STORM, OVER, PHASES };

struct bystander {
    pthread_t thread;
    struct mqtt *c;
    atomic_int phase;
    bool failed;
    struct bench_times times[PHASES]; /* the thread's until it has ended */
};

static void nap(uint64_t ns)
{
    const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
                                .tv_nsec = (long)(ns % 1000000000u) };

    (void)nanosleep(&t, NULL);
}

static void *ping_on(void *arg)
{
    struct bystander *b = arg;
    int phase = IDLE;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), -15);
    while (phase != OVER) {
        const uint64_t asked = bench_now_ns();

        if (!mqtt_ping(b->c)) {
            b->failed = true;
            break;
        }
        phase = atomic_load(&b->phase);
        bench_times_add(&b->times[phase], bench_now_ns() - asked);
        nap(GAP_NS);
    }
    return NULL;
}

struct bystander *bystander_start(uint16_t port, unsigned idle_ms)
{
    const struct mqtt_options o = { .port = port,
                                    .client_id = "bench-bystander",
                                    .keepalive_s = 3600 };
    struct bystander *b = bench_alloc(1, sizeof *b);

    b->c = mqtt_start(&o);
    if (b->c == NULL || mqtt_wait_connack(b->c) != 0)
        bench_fail("the bystander cannot connect to port %u without TLS: %s", (unsigned)port,
                   b->c == NULL ? "out of memory" : mqtt_story(b->c));
    if (pthread_create(&b->thread, NULL, ping_on, b) != 0)
        bench_fail("cannot start a thread");
    nap((uint64_t)idle_ms * 1000000u);
    return b;
}

void bystander_begin(struct bystander *b)
{
    if (b != NULL)
        atomic_store(&b->phase, STORM);
}

void bystander_end(struct bystander *b)
{
    if (b == NULL)
        return;
    atomic_store(&b->phase, OVER);
    (void)pthread_join(b->thread, NULL);
    if (b->failed)
        bench_fail("the bystander's ping was not answered: %s", mqtt_story(b->c));
    (void)mqtt_goodbye(b->c);
    mqtt_free(b->c);
    b->c = NULL;
}

void bystander_put(struct bystander *b)
{
    if (b == NULL)
        return;
    bench_put_count("bystander_pings", b->times[STORM].n);
    bench_times_put(&b->times[IDLE], "bystander_idle_");
    bench_times_put(&b->times[STORM], "bystander_");
    for (int i = 0; i < PHASES; i++)
        bench_times_release(&b->times[i]);
    free(b);
}
