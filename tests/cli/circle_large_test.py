"""Images with very many layers or files go round the circle, too (circle_test.py)."""

import unittest

from circle_test import CircleCase, packed
from image_archive import directory, entry, tools

LAYERS, FILES, IN_EACH = 127, 200_000, 1000


class Large(CircleCase):
    def sandbox(self, *words, timeout=240, **more):
        return super().sandbox(*words, timeout=timeout, **more)

    def test_127_layers(self):
        layers = [tools("wc")] + [[entry(f"layers/{i}", str(i)), entry("top", str(i))] for i in range(1, LAYERS)]
        image = self.go_round(self.make(*map(packed, layers)))
        shown = self.ok("run", "--rm", image, "sh", "-c", "ls /layers | wc -l; cat /layers/1 /top")
        self.assertEqual(shown, f"{LAYERS - 1}\n1{LAYERS - 1}")

    def test_200_000_files(self):
        def entries():
            yield from tools("find", "wc")
            for i in range(FILES):
                if i % IN_EACH == 0:
                    yield directory(f"files/{i // IN_EACH}")
                yield entry(f"files/{i // IN_EACH}/{i}", "" if (i + 1) % IN_EACH else str(i))
        image = self.go_round(self.make(packed(entries())))
        shown = self.ok("run", "--rm", image, "sh", "-c", f"find /files -type f | wc -l; cat /files/199/{FILES - 1}")
        self.assertEqual(shown, f"{FILES}\n{FILES - 1}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
