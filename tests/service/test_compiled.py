"""Once a release is loaded nothing is left to compile: the first request of a kind would wait for seconds."""

import subprocess
import sys

import pytest

from tests.mixes import mix_store

SCRIPT = """
import gc, sys
from pathlib import Path
from numba.core.registry import CPUDispatcher
from service import registry, settings
from service.app import create_app
from service.rehearsal import compile_kernels, rehearse
from service.store import Store

app = create_app(settings.read(store=sys.argv[1]))
compile_kernels()
release = registry.load(Store(Path(sys.argv[1])))
rehearse(release)
app.state.holder.serve({release.name: release}, release.name)
kernels = [found for found in gc.get_objects() if isinstance(found, CPUDispatcher)]
loaded = {id(kernel): len(kernel.signatures) for kernel in kernels}
users, item = release.users.ids_of([0, 1, 2]), release.items.ids_of([1])[0]
ways = ["", "&exclude_seen=true", f"&exclude={item}", f"&history={item}", f"&allow={item}"]
asked = [f"/candidates/{{}}?cg={cg}{way}" for cg in release.cgs for way in ways]
blends = ["", "&explain=true", "&strategy=rrf", "&strategy=quota"]
asked += [f"/mix/{{}}?n=3{way}{blend}" for way in ways for blend in blends]
for path, _, query in (one.partition("?") for one in asked):
    for some in (users[:1], users):
        scopes = [
            {"type": "http", "method": "GET", "path": path.format(user), "query_string": query.encode(), "headers": []}
            for user in some
        ]
        answers = [answer for found in app.at_once(scopes) for answer in found.values()]
        assert len(answers) == len(scopes) and all(answers), (path, query)
new = [kernel.py_func.__qualname__ for kernel in kernels if len(kernel.signatures) > loaded[id(kernel)]]
print(new, len(kernels) > 30)
"""


@pytest.mark.parametrize("ids", ["uint64", "string"])
def test_no_request_waits_for_a_compiler(tmp_path, ids):
    store = mix_store(tmp_path, ids)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(store.root)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[] True", done.stderr[-2000:]
