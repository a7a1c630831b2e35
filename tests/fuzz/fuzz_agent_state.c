/*
 * The agent's state file as accident or a stranger may leave it. What reads as good is written back
 * as the same bytes; what does not leaves a fresh state.
 *
 * 'r': the record itself. 's': a record whose length and checksum are put right, so that what lies
 * behind them is reached. 'd': likewise, with the device's name put in too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device-agent/core/state.h"
#include "support/crc64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_LEN 10
#define CRC_LEN 8

static const uint8_t device[AGENT_DEVICE_LEN] = "0123456789abcdef0123456789abcde";

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(const uint8_t *record, size_t n)
{
    static struct agent_state out, fresh;
    uint8_t again[AGENT_STATE_MAX], blank[AGENT_STATE_MAX];
    size_t written;
    enum agent_state_read got;

    agent_state_init(&fresh, device);
    memset(&out, 0xa5, sizeof out);
    got = agent_state_read((struct agent_span){ record, n }, device, &out);
    require(got < AGENT_STATE_READS);
    if (got == AGENT_STATE_GOOD) {
        require(agent_state_write(&out, again) == n);
        require(memcmp(again, record, n) == 0);
    } else {
        written = agent_state_write(&fresh, blank);
        require(agent_state_write(&out, again) == written);
        require(memcmp(again, blank, written) == 0);
    }
}

static void check_sealed(const uint8_t *data, size_t n, bool ours)
{
    uint8_t *record;

    if (n < HEAD_LEN + CRC_LEN)
        return;
    record = malloc(n);
    require(record != NULL);
    memcpy(record, data, n);
    if (ours && n >= HEAD_LEN + AGENT_DEVICE_LEN + CRC_LEN)
        memcpy(record + HEAD_LEN, device, sizeof device);
    test_seal_state(record, n);
    check(record, n);
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size != 0 && data[0] == 'r')
        check(data + 1, size - 1);
    else if (size != 0 && (data[0] == 's' || data[0] == 'd'))
        check_sealed(data + 1, size - 1, data[0] == 'd');
    return 0;
}
