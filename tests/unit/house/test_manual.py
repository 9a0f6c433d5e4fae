"""The manual page has every command and every option of the program's own --help, and no other."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

SANDBOX = os.path.abspath(sys.argv.pop(1))
PAGE = pathlib.Path(__file__).resolve().parents[3] / "man/sandbox.1"
sys.path.insert(0, str(PAGE.parent))
import make_pages  # noqa: E402 (found through the line above)

# Whose commands have names of two words.
GROUPS = ("builder", "container", "image", "manifest", "network", "profile", "secret", "system", "volume")
OF_RUN = ("run", "create")  # whose options have a section of their own


def plain(line):
    """A line of the page without its fonts and escapes."""
    return re.sub(r"\\f.", "", line).replace("\\-", "-").replace("\\ ", " ")


def section(title):
    """The lines between a heading .SH and the next."""
    text = PAGE.read_text(encoding="utf-8")
    return re.search(rf'^\.SH {title}\n(.*?)(?=^\.SH )', text, re.MULTILINE | re.DOTALL).group(1).splitlines()


def tags(lines):
    """What .TP and .TQ introduce, in turn."""
    return [plain(line) for before, line in zip(lines, lines[1:]) if before in (".TP", ".TQ")]


def options_in(tag):
    """{long or short option} of a tag like "-t, --time SECONDS"."""
    return set(re.findall(r"(?:^|, )(--?[a-z0-9-]+)", tag, re.IGNORECASE))


def documented():
    """{command: set of its options}; a command's tag begins with its name, an option's with a hyphen."""
    found, command = {}, None
    for tag in tags(section("COMMANDS")):
        if tag.startswith("-"):
            found[command] |= options_in(tag)
        else:
            words = tag.split()
            command = " ".join(words[:2]) if words[0] in GROUPS else words[0]
            found[command] = set()
    shared = set().union(*map(options_in, tags(section("OPTIONS OF RUN AND CREATE"))))
    for command in OF_RUN:
        found[command] |= shared
    return found


def told_by_help(*words):
    return subprocess.run([SANDBOX, *words, "--help"], text=True, capture_output=True, check=True, timeout=30).stdout


def told():
    """The same, from --help."""
    listed = told_by_help().split("\nCommands:\n")[1].split("\n\n")[0]
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", listed, re.MULTILINE)
    found = {}
    for command in commands:
        pairs = re.findall(r"^ +(?:(-\w), )?(--[a-z0-9-]+)", told_by_help(*command.split()), re.MULTILINE)
        found[command] = {word for pair in pairs for word in pair if word} - {"--help"}
    return found


class Manual(unittest.TestCase):
    maxDiff = None

    def test_commands_and_options_are_those_of_the_program(self):
        self.assertGreater(len(told()["run"]), 50, "the options of --help were not understood")
        self.assertEqual({name: sorted(options) for name, options in documented().items()},
                         {name: sorted(options) for name, options in told().items()})

    def test_each_command_has_a_page_of_its_own(self):
        pages = make_pages.pages(PAGE.read_text(encoding="utf-8"), make_pages.summaries(SANDBOX))
        self.assertEqual(sorted(pages), sorted(f"sandbox-{name.replace(' ', '-')}.1" for name in told()))
        for name, options in told().items():
            page = pages[f"sandbox-{name.replace(' ', '-')}.1"]
            listed = set().union(*map(options_in, tags(page.splitlines())))
            self.assertLessEqual(options, listed, name)
        self.assertIn("\\- list containers\n.SH SYNOPSIS\n\\fBsandbox\\fR \\fBps\\fR [", pages["sandbox-ps.1"])

    def test_every_ladder_of_doctor_is_explained(self):
        ladders = re.findall(r'Ladder ladder\{"([a-z ]+)"', (PAGE.parents[1] / "sandbox/engine/ladders.cc").read_text())
        self.assertEqual(tags(section("LADDERS")), [name for name in ladders if name != "user namespaces"])


if __name__ == "__main__":
    unittest.main()
