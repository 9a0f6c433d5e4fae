#!/usr/bin/env python3
"""Draws the README's pictures from commands that are really run, as the calling user and with a store of its own:

    man/pictures/make.py [--print] build/release/bin/sandbox [NAME...]

With --print a picture goes to standard output: for `limits`, which wants a machine that grants them (HACKING.md). A
scene is a list of commands for a shell. What is typed into a program with a terminal follows its command as a list.
"""

import html
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

SERVER = "echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp"
SCENES = {
    "run": ["sandbox run --rm busybox echo 'Ciao !'",
            "sandbox run --rm -it busybox", ["id", "ps", "ls /", "exit"],
            "sandbox run --rm busybox sh -c 'exit 42'; echo $?"],
    "ports": [f"sandbox run -d --init --name web -p 127.0.0.1:8080:8080 busybox \\\n    sh -c '{SERVER}'",
              "curl -s http://127.0.0.1:8080/", "sandbox ps", "sandbox exec web ps", "sandbox logs web",
              "sandbox stop web", "sandbox ps -a", "sandbox rm web"],
    "limits": ["sandbox run --rm -m 50m busybox dd if=/dev/zero of=/dev/null bs=200M count=1; echo $?",
               "sandbox run --rm --limits=best-effort -m 50m busybox echo 'without a limit then'"],
    "host": ["echo precious >notes; ls",
             "sandbox run --rm -it --rootfs /:O -w $PWD sh", ["rm notes; touch junk /etc/junk; ls", "exit"],
             "ls; cat notes; ls /etc/junk"],
    "doctor": ["sandbox doctor"],
}
FONT, LINE, MARGIN, COLUMNS = 14, 19, 16, 120
COLUMN = FONT * 0.602  # of the monospaced fonts below


def typed_into(command, lines, env):
    """What a terminal shows when `lines` are typed, each at a prompt."""
    child, master = pty.fork()
    if child == 0:
        os.execvpe("sh", ["sh", "-c", f"stty cols {COLUMNS} rows 40; {command}"], env)
    shown = ""
    lines = list(lines)
    end = time.monotonic() + 60
    while time.monotonic() < end and select.select([master], [], [], 30)[0]:
        try:
            shown += os.read(master, 4096).decode()
        except OSError:
            break  # the terminal is closed
        if lines and re.search(r"[#$] (\x1b\[6n)?$", shown):
            shown = shown.replace("\x1b[6n", "")
            os.write(master, lines.pop(0).encode() + b"\r")
    os.waitpid(child, 0)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown.replace("\r", ""))


def play(scene, env, directory):
    """[(is a command, line)]"""
    lines = []
    for number, command in enumerate(scene):
        if isinstance(command, list):
            continue
        lines += [(True, ("$ " if i == 0 else "") + part) for i, part in enumerate(command.split("\n"))]
        typed = scene[number + 1] if number + 1 < len(scene) and isinstance(scene[number + 1], list) else None
        if typed:
            output = typed_into(f"cd {directory} && {command}", typed, env)
        else:
            output = subprocess.run(["sh", "-c", command], env=env, cwd=directory, text=True, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False).stdout
        for line in output.splitlines():
            lines += [(False, line[at:at + COLUMNS]) for at in range(0, len(line), COLUMNS)] or [(False, "")]
    return lines


def draw(lines):
    width = max(82, max(len(line) for _, line in lines)) * COLUMN + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    rows = []
    for number, (is_command, line) in enumerate(lines):
        style = ' fill="#9ece6a"' if is_command else ""
        text = html.escape(line, quote=False)
        rows.append(f'<text x="{MARGIN}" y="{MARGIN + FONT + number * LINE}"{style}>{text}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-size="{FONT}"\n'
            '  font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" fill="#c0caf5" xml:space="preserve">\n'
            '<rect width="100%" height="100%" rx="8" fill="#1a1b26"/>\n' + "\n".join(rows) + "\n</svg>\n")


def main():
    to_output = sys.argv[1] == "--print"
    program, *names = sys.argv[1 + to_output:]
    program = pathlib.Path(program).resolve()
    with tempfile.TemporaryDirectory(prefix="sbx-pictures-") as home:
        work = home + "/work"
        os.mkdir(work)
        env = {"HOME": home, "PATH": f"{program.parent}:/usr/bin:/bin:/usr/sbin", "PS1": "$ ", "TERM": "dumb",
               "XDG_DATA_HOME": home, "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", ""), "LANG": "C.UTF-8"}
        for name in names or SCENES:
            picture = draw(play(SCENES[name], env, work))
            if to_output:
                print(picture, end="")
            else:
                pathlib.Path(__file__).with_name(name + ".svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
