#!/usr/bin/env python3
"""Writes text files as a C table: embed_text.py OUT.c ROOT FILE… (struct mixin of cmd/mixins.h)."""
import os
import sys

out, root, *files = sys.argv[1:]
with open(out, "w") as c:
    c.write('#include "cmd/mixins.h"\n\nconst struct mixin mixins[] = {\n')
    for path in files:
        name = os.path.relpath(path, root)
        c.write(f'    {{"{name}",\n')
        for line in open(path, encoding="utf-8"):
            quoted = line.encode().decode("latin-1")
            text = "".join(ch if 32 <= ord(ch) < 127 and ch not in '\\"?' else f"\\{ord(ch):03o}" for ch in quoted)
            c.write(f'     "{text}"\n')
        c.write("    },\n")
    c.write("};\nconst u32 mixins_count = ARRAY_LEN(mixins);\n")
