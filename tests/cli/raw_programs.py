"""Programs of a few machine instructions (x86-64 Linux), for images whose attack no shell can express.

Each is the text section of the assembly in its comment, in an ELF file of one segment: position independent, so that
it also serves as another program's ELF interpreter.
"""

import struct

# for (;;) { renameat2(AT_FDCWD, "/race/x", AT_FDCWD, "/race/y", RENAME_EXCHANGE); a short pause }
FLIPPER = bytes.fromhex("bf9cffffff4863ff488d35220000004889fa4c8d152000000041b802000000b83c0100000f05b970170000ffc975fc"
                        "ebcf2f726163652f78002f726163652f7900")
# for (;;) kill(-1, SIGSTOP);
STOP_OTHERS = bytes.fromhex("48c7c7ffffffffbe13000000b83e0000000f05ebeb")
# exit_group(fcntl(open("/proc/self/exe", O_RDONLY), F_GET_SEALS) has F_SEAL_WRITE ? 43 : 42)
ASK_FOR_SEAL = bytes.fromhex("b802000000488d3d2c00000031f60f0589c7be0a040000b8480000000f05bf2a00000085c0780a83e0087405bf2b0000"
                             "00b8e70000000f052f70726f632f73656c662f65786500")
# prctl(PR_SET_PDEATHSIG, 0); execve("/bin/sleep", {"/bin/sleep", "1234"}, NULL)
CLEAR_DEATH_SIGNAL = bytes.fromhex("bf0100000031f6b89d0000000f05488d3d2200000031d252488d052300000050574889e6b83b0000000f05"
                                   "b8e7000000bf010000000f052f62696e2f736c656570003132333400")


def elf(code):
    """ET_DYN, one segment that is read and executed, entry behind the headers."""
    start = 64 + 56
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 3, 62, 1, start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, start + len(code), start + len(code), 4096)
    return header + segment + code
