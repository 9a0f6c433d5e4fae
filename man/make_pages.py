#!/usr/bin/env python3
"""Makes a manual page of each command's entry in sandbox.1, where everything is written once.

    make_pages.py SANDBOX.1 PROGRAM DIRECTORY

sandbox-ps(1), sandbox-system-df(1) and so on: the program's own summary is the name, the entry's line the synopsis, its
text the description, the list in it the options. Sections that the entry names follow.
"""

import pathlib
import re
import subprocess
import sys

COMMAND = re.compile(r"\\fB([a-z]+(?: [a-z]+)*)\\fR")


def section(text, title):
    """The text between a heading .SH and the next."""
    return re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH )", text, re.MULTILINE | re.DOTALL).group(1)


def entries(text):
    """(tags, body) of each entry of a list, those in it staying in the body."""
    found, depth, lines = [], 0, text.splitlines()
    i = 0
    while i < len(lines):
        line = lines[i]
        if depth == 0 and line == ".TP":
            found.append(([lines[i + 1]], []))
            i += 1
        elif depth == 0 and line == ".TQ":
            found[-1][0].append(lines[i + 1])
            i += 1
        elif depth == 0 and line.startswith(".SS"):
            pass
        elif found:
            depth += {".RS": 1, ".RE": -1}.get(line, 0)
            found[-1][1].append(line)
        i += 1
    return found


def parts(body):
    """Description, and the list of options that it may have in it."""
    if ".RS" not in body or ".TP" not in body:
        return body, []
    begin = body.index(".RS")
    end = len(body) - 1 - body[::-1].index(".RE")
    if body[begin + 1] != ".TP":
        return body, []  # an example
    return body[:begin] + body[end + 1:], body[begin + 1:end]


def summaries(program):
    """{command: what it does, in a line}, as the program's table of commands has it."""
    told = subprocess.run([program, "--help"], text=True, capture_output=True, check=True, timeout=60).stdout
    lines = told.split("\nCommands:\n")[1].split("\n\n")[0].splitlines()
    return {name.strip(): summary for name, summary in (re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines)}


def page(heading, name, summary, forms, body, whole):
    description, options = parts(body)
    lines = [f'.TH SANDBOX\\-{name.replace(" ", "-").upper()} 1 {heading}', ".SH NAME",
             f'sandbox\\-{name.replace(" ", "-")} \\- {summary[:1].lower() + summary[1:]}', ".SH SYNOPSIS",
             "\n.br\n".join(f"\\fBsandbox\\fR {form}" for form in forms), ".SH DESCRIPTION", *description]
    if options:
        lines += [".SH OPTIONS", *options]
    text = "\n".join(body)
    for title in ("FORMATS AND FILTERS", "LADDERS", "OVERLAY", "OCI RUNTIME"):
        if f"see {title}" in text.replace("See", "see"):
            lines += [f".SH {title}", section(whole, title).rstrip()]
    if name in ("run", "create"):
        lines += [".SH OPTIONS", section(whole, "OPTIONS OF RUN AND CREATE").rstrip()]
    return "\n".join(lines + [".SH SEE ALSO", ".BR sandbox (1)", ""])


def pages(text, told):
    """{file name: page}; a command without an entry, or an entry without a command, is an error."""
    heading = re.match(r"\.TH SANDBOX 1 (.*)", text).group(1)
    made = {}
    for tags, body in entries(section(text, "COMMANDS")):
        forms = {}  # of each command that the entry is for
        for tag in tags:
            forms.setdefault(COMMAND.match(tag).group(1), []).append(tag)
        for name, lines in forms.items():
            if name not in told:
                sys.exit(f"not a command, or two entries: {name}")
            made[f'sandbox-{name.replace(" ", "-")}.1'] = page(heading, name, told.pop(name), lines, body, text)
    if told:
        sys.exit(f"not in the page: {', '.join(told)}")
    return made


def main():
    source, program, directory = map(pathlib.Path, sys.argv[1:])
    directory.mkdir(parents=True, exist_ok=True)
    made = pages(source.read_text(encoding="utf-8"), summaries(program))
    for old in directory.glob("sandbox-*.1"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
