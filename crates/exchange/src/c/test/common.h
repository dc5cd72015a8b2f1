/* Writes texts and the bits of numbers, on the host and on a Cortex-M under an emulator. */
#include <stdint.h>

#ifdef __arm__
static void put(const char *text)
{
    register int operation __asm__("r0") = 4; /* SYS_WRITE0 of semihosting */
    register const char *argument __asm__("r1") = text;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}
#else
#include <stdio.h>
static void put(const char *text)
{
    fputs(text, stdout);
}
#endif

static void put_bits(const float *numbers, int n)
{
    char text[10];
    for (int i = 0; i < n; i++) {
        union {
            float number;
            uint32_t bits;
        } both;
        both.number = numbers[i];
        for (int digit = 0; digit < 8; digit++) {
            text[digit] = "0123456789abcdef"[both.bits >> (28 - 4 * digit) & 15];
        }
        text[8] = '\n';
        text[9] = 0;
        put(text);
    }
}
