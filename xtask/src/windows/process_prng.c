/* `ProcessPrng`, which the standard library of Rust draws random bytes with. Wine has it since 9.0; that of Debian 12 is older,
   and has the function of before. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    return SystemFunction036(buffer, (ULONG)length);
}
