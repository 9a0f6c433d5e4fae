"""Unit tests of tests/check_includes.py: what it must refuse and what it must let through."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import check_includes  # noqa: E402 (found through the line above)


class CheckIncludes(unittest.TestCase):
    def violations(self, files):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, content in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
            return check_includes.check(root)

    def test_lower_floors_and_the_own_room_are_allowed(self):
        self.assertEqual([], self.violations({
            "sandbox/cli/run.cc": '#include "sandbox/cli/run.h"\n#include "sandbox/base/fd.h"\n#include <vector>\n',
            "sandbox/helpers/main.cc": '#include "sandbox/cli/run.h"\n',
        }))

    def test_a_higher_floor_is_refused_with_its_line(self):
        found = self.violations({"userns/launch.cc": '// comment\n#include "sandbox/container/spec.h"\n'})
        self.assertEqual(1, len(found))
        self.assertTrue(found[0].startswith("userns/launch.cc:2:"))

    def test_rooms_of_one_floor_do_not_include_each_other(self):
        self.assertEqual(1, len(self.violations({"netstack/a.cc": '#include "userns/launch.h"\n'})))
        self.assertEqual(1, len(self.violations({"sandbox/api/a.cc": '#include "sandbox/compose/b.h"\n'})))

    def test_relative_includes_and_files_outside_all_rooms_are_refused(self):
        self.assertEqual(1, len(self.violations({"userns/launch.cc": '#include "launch.h"\n'})))
        self.assertEqual(1, len(self.violations({"sandbox/attic/a.cc": ""})))


if __name__ == "__main__":
    unittest.main()
