"""Says which calls of the document (first argument) a generated client (second) does not have."""

import json
import pathlib
import re
import sys

document = json.loads(pathlib.Path(sys.argv[1]).read_text())
names = [call["operationId"] for item in document["paths"].values() for call in item.values()]
sources = [path for path in pathlib.Path(sys.argv[2]).rglob("*") if path.suffix in (".go", ".kt", ".java")]
text = "\n".join(path.read_text() for path in sources if "test" not in path.parts)
missing = [name for name in names if not re.search(rf"\b{name}\b", text, re.IGNORECASE)]
if missing or len(names) < 30:
    sys.exit(f"{sys.argv[2]} lacks {missing} of {len(names)} calls")
