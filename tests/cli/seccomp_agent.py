"""An agent at linux.seccomp.listenerPath: takes descriptions of processes with the listeners of their filters, and answers
their system calls (seccomp_unotify(2))."""

import array
import fcntl
import json
import os
import select
import socket
import struct
import threading

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101  # _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, …_resp)
CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE


class SeccompAgent:
    """`errors`: number of a system call to the errno that it fails with; all others go on."""

    def __init__(self, path, errors=None):
        self.path, self.errors = path, errors or {}
        self.described, self.asked = [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.end, self.end_write = os.pipe()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def waits(self, fd):
        """Whether there is something at the descriptor, and not the end of the agent."""
        ready = select.select([fd, self.end], [], [])[0]
        return self.end not in ready

    def accept(self):
        while self.waits(self.listener):
            connection, _ = self.listener.accept()
            with connection:
                text, control, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(64))
                while more := connection.recv(1 << 16):
                    text += more
            fds = array.array("i")
            fds.frombytes(control[0][2])
            self.described.append((json.loads(text), len(fds)))
            self.threads.append(threading.Thread(target=self.answer, args=(fds[0],)))
            self.threads[-1].start()

    def answer(self, fd):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self.end, select.POLLIN)
        while True:
            events = dict(poll.poll())
            if self.end in events or events[fd] & select.POLLHUP:
                break
            notification = bytearray(80)
            try:
                fcntl.ioctl(fd, NOTIF_RECV, notification)
                number, = struct.unpack_from("i", notification, 16)
                self.asked.append(number)
                error = self.errors.get(number, 0)
                identity, = struct.unpack_from("Q", notification)
                fcntl.ioctl(fd, NOTIF_SEND, struct.pack("QqiI", identity, 0, -error, 0 if error else CONTINUE))
            except OSError:  # the process has gone meanwhile
                pass
        os.close(fd)

    def close(self):
        os.close(self.end_write)
        for thread in self.threads:
            thread.join()
        self.listener.close()
        os.close(self.end)
