/* crc64.h - the checksum of the agent's state record, a second time: to forge records with. */
#ifndef TESTS_CRC64_H
#define TESTS_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Catalogued as CRC-64/XZ: of "123456789" it is 995dc9bbdf1939fa. */
uint64_t test_crc64(const uint8_t *p, size_t n);

/* The checksum of a record of n bytes, at least 18, put right; and its length, too. */
void test_seal_bytes(uint8_t *record, size_t n);
void test_seal_state(uint8_t *record, size_t n);

#endif
