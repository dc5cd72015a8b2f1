/* The start of a program on the boards mps2-an386 and mps2-an385 of QEMU, which loads all memory itself. */
#include <stdint.h>

int main(void);
void reset(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t stack;
    void (*reset)(void);
} vectors = {0x20400000, reset};

void reset(void)
{
#ifdef __ARM_FP
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: access to the floating-point unit */
    __asm__ volatile("dsb\n isb");
#endif
    (void)main();
    register int operation __asm__("r0") = 0x18; /* SYS_EXIT of semihosting */
    register int argument __asm__("r1") = 0x20026;
    __asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(argument) : "memory");
    for (;;) {
    }
}
