"""The shipped profiles and the fuzzer's seeds of them are as profiles/schema.json says, and name options of `run`."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema

SANDBOX = os.path.abspath(sys.argv.pop(1))
ROOT = pathlib.Path(__file__).resolve().parents[3]


class Profiles(unittest.TestCase):
    def test_shipped_profiles_follow_the_schema(self):
        schema = json.loads((ROOT / "profiles/schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        shipped = sorted(path for path in (ROOT / "profiles").glob("*.json") if path.name != "schema.json")
        self.assertEqual([path.stem for path in shipped], ["build", "default", "dev", "hpc", "strict"])
        options = set(re.findall(r"--([a-z-]+)", subprocess.run([SANDBOX, "run", "--help"], text=True, timeout=30,
                                                                 capture_output=True, check=True).stdout))
        for path in shipped:
            document = json.loads(path.read_text(encoding="utf-8"))
            jsonschema.validate(document, schema)
            self.assertLessEqual(set(document["options"]), options, path.name)

    def test_the_schema_refuses_what_the_program_refuses(self):
        schema = json.loads((ROOT / "profiles/schema.json").read_text(encoding="utf-8"))
        for broken in ({"options": {}}, {"description": "d"}, {"description": "", "options": {}},
                       {"description": "d", "options": {"profile": "x"}}, {"description": "d", "options": {"A": "x"}},
                       {"description": "d", "options": {"a": None}}, {"description": "d", "options": {}, "x": 1},
                       {"description": "d", "options": {"a": [1]}}, {"description": "d", "options": {}, "extends": "../x"}):
            with self.assertRaises(jsonschema.ValidationError, msg=broken):
                jsonschema.validate(broken, schema)


if __name__ == "__main__":
    unittest.main()
