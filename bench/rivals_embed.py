#!/usr/bin/env python3
"""Embed the same texts with ragstore and with onnxruntime, taking turns in one run.

    pip install -r bench/requirements-embed.txt          # into an environment of your own
    PYTHONPATH=examples/python RAGSTORE_LIBRARY=build/lib/libragstore.so bench/rivals_embed.py

The rival's graph is written here from the same model.safetensors, with the operators that onnxruntime
fuses BERT models into (Attention, SkipLayerNormalization, BiasGelu), so that it has nothing left to
optimise; its int8 form is made by its own quantize_dynamic, by channel. Its texts are tokenized by
`tokenizers`, sorted by length and padded to the longest of each 32, as sentence-transformers does. Its
vectors are compared with ours before anything is timed.

One JSON object a line: medians over the rounds with minimum and maximum; `ratio` is the rival's time
over ours, so that above 1 we are faster; `cpu_ratio` is that of processor time, which other programs
on the machine disturb less (with several threads it counts their waiting in loops, too). "start" is a process from its start to its first vector: a C
program on our side, and a Python program for onnxruntime, whose own share (creating the session,
tokenizing, one run; without Python's start and imports) is `rival_inner_ms`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
QUERY = "which wing gives the most lift at high speed?"  # 12 tokens with both special ones
BATCH = 32


def say(**figures: object) -> None:
    print(json.dumps({"bench": "rivals_embed", **figures}), flush=True)


# ---- texts ----


def read_texts(count: int) -> list[str]:
    """Questions, titles, half and whole abstracts of the Cranfield collection in turn."""
    folder = Path(os.environ.get("RAGSTORE_SHARED_DATA", ROOT.parent / "shared/data")) / "cranfield"
    if not folder.is_dir():
        sys.exit(f"rivals_embed: no texts: {folder} is missing; RAGSTORE_SHARED_DATA names another place")
    documents = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
    queries = [json.loads(line)["text"] for line in (folder / "queries.jsonl").open()]
    texts = []
    for i, document in enumerate(documents):
        text = document["text"]
        texts += [queries[i % len(queries)], document["title"], text[: len(text) // 2], text]
    return [text for text in texts if text][:count]


# ---- the rival ----


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    tensors = {}
    for name, tensor in header.items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            begin, end = (8 + size + at for at in tensor["data_offsets"])
            tensors[name] = np.frombuffer(raw[begin:end], np.float32).reshape(tensor["shape"])
    return tensors


def write_graph(model: Path, out: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    config = json.loads((model / "config.json").read_text())
    tensors = read_safetensors(model / "model.safetensors")
    epsilon, nodes, constants = config["layer_norm_eps"], [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(name: str) -> str:
        return constant(f"{name}.weight", tensors[f"{name}.weight"].T)

    def part(name: str) -> str:
        return constant(name, tensors[name])

    def node(kind: str, inputs: list[str], output: str, domain: str = "", **attributes) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def norm(inputs: list[str], name: str, output: str) -> str:
        parts = [part(f"{name}.weight"), part(f"{name}.bias")]
        return node("SkipLayerNormalization", inputs[:2] + parts + inputs[2:], output, "com.microsoft",
                    epsilon=epsilon)

    words = node("Gather", [part("embeddings.word_embeddings.weight"), "ids"], "words")
    shape = node("Shape", ["ids"], "shape")
    length = node("Gather", [shape, constant("one", np.array([1]))], "length")
    constant("zero", np.array([0]))
    table = constant("positions", tensors["embeddings.position_embeddings.weight"]
                     + tensors["embeddings.token_type_embeddings.weight"][0])
    places = node("Slice", [table, "zero", length, "zero"], "places")
    batched = node("Expand", [places, node("Shape", [words], "words_shape")], "batched")
    x = norm([words, batched], "embeddings.LayerNorm", "embedded")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        both = [np.concatenate([tensors[f"{layer}.attention.self.{which}.{kind}"]
                                for which in ("query", "key", "value")]) for kind in ("weight", "bias")]
        context = node("Attention", [x, constant(f"{layer}.qkv", both[0].T),
                                     constant(f"{layer}.qkv_bias", both[1]), "mask"],
                       f"{layer}.context", "com.microsoft", num_heads=config["num_attention_heads"])
        dense = f"{layer}.attention.output.dense"
        out_matrix = node("MatMul", [context, weight(dense)], f"{dense}.out")
        x = norm([out_matrix, x, part(f"{dense}.bias")], f"{layer}.attention.output.LayerNorm",
                 f"{layer}.attended")
        dense = f"{layer}.intermediate.dense"
        wide = node("MatMul", [x, weight(dense)], f"{dense}.out")
        wide = node("BiasGelu", [wide, part(f"{dense}.bias")], f"{dense}.gelu", "com.microsoft")
        dense = f"{layer}.output.dense"
        narrow = node("MatMul", [wide, weight(dense)], f"{dense}.out")
        x = norm([narrow, x, part(f"{dense}.bias")], f"{layer}.output.LayerNorm", f"{layer}.out")
    as_floats = node("Cast", ["mask"], "mask_floats", to=TensorProto.FLOAT)
    row = node("Unsqueeze", [as_floats, "one"], "mask_row")
    sums = node("Squeeze", [node("MatMul", [row, x], "sums"), "one"], "sum")
    node("LpNormalization", [sums], "vector", axis=1, p=2)

    def matrix(name: str, kind: int, sizes: list[object]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, sizes)

    graph = helper.make_graph(nodes, "bert", [matrix("ids", TensorProto.INT64, ["texts", "tokens"]),
                                              matrix("mask", TensorProto.INT32, ["texts", "tokens"])],
                              [matrix("vector", TensorProto.FLOAT, ["texts", config["hidden_size"]])],
                              constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), out)


def quantise(graph: Path, out: Path) -> None:
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(graph, out, per_channel=True, weight_type=QuantType.QInt8,
                     op_types_to_quantize=["MatMul", "Attention"],
                     extra_options={"DefaultTensorType": TensorProto.FLOAT})


class Rival:
    def __init__(self, graph: Path, model: Path, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        limit = json.loads((model / "sentence_bert_config.json").read_text())["max_seq_length"]
        self.tokenizer.enable_truncation(limit)
        self.tokenizer.enable_padding()

    def embed(self, texts: list[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        rows: list[np.ndarray] = []
        for start in range(0, len(order), BATCH):
            some = self.tokenizer.encode_batch([texts[i] for i in order[start : start + BATCH]])
            ids = np.array([one.ids for one in some], np.int64)
            mask = np.array([one.attention_mask for one in some], np.int32)
            rows.append(self.session.run(["vector"], {"ids": ids, "mask": mask})[0])
        out = np.empty((len(texts), rows[0].shape[1]), np.float32)
        out[order] = np.concatenate(rows)
        return out


# ---- taking turns ----


def series(times: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(times), 3), "min": round(min(times), 3),
            "max": round(max(times), 3)}


def duel(job: str, ours: Callable[[], object], rival: Callable[[], object], rounds: int,
         **more: object) -> None:
    """A B B A …, each round once; the ratio is that of the medians."""
    times: dict[str, list[float]] = {"ours": [], "rival": []}
    busy: dict[str, list[float]] = {"ours": [], "rival": []}
    sides = [("ours", ours), ("rival", rival)]
    for _, work in sides:
        work()
    for turn in range(rounds):
        for name, work in sides if turn % 2 == 0 else sides[::-1]:
            start, used = time.perf_counter(), time.process_time()
            work()
            times[name].append((time.perf_counter() - start) * 1e3)
            busy[name].append((time.process_time() - used) * 1e3)
    medians = {name: statistics.median(taken) for name, taken in busy.items()}
    if job.split()[0] != "start":  # which other processes do
        more["cpu_ratio"] = round(medians["rival"] / medians["ours"], 3)
    ratio = statistics.median(times["rival"]) / statistics.median(times["ours"])
    say(job=job, ours_ms=series(times["ours"]), rival_ms=series(times["rival"]),
        ratio=round(ratio, 3), rounds=rounds, **more)


def compare(job: str, mine: np.ndarray, theirs: np.ndarray, least: float) -> None:
    cosine = float((mine * theirs).sum(axis=1).min())
    say(job=job, least_cosine=round(cosine, 7))
    if cosine < least:
        sys.exit(f"rivals_embed: the vectors of {job} differ: cosine {cosine}")


START = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
import onnxruntime, tokenizers, numpy
begin = time.perf_counter()
from rivals_embed import Rival
Rival(Path({graph!r}), Path({model!r}), 1).embed([{query!r}])
print((time.perf_counter() - begin) * 1e3)
"""


def start_duel(graph: Path, model: Path, program: Path, rounds: int, precision: str) -> None:
    code = START.format(here=str(ROOT / "bench"), graph=str(graph), model=str(model), query=QUERY)
    inner: list[float] = []

    def theirs() -> None:
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        inner.append(float(done.stdout))

    def mine() -> None:
        subprocess.run([program, "start", "--precision", precision], check=True, capture_output=True,
                       env={**os.environ, "RAGSTORE_MODEL": str(model)})

    duel(f"start {precision}", mine, theirs, rounds)
    say(job=f"start {precision}", rival_inner_ms=series(inner))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--jobs", nargs="+", default=["batch", "query", "start"],
                        choices=["batch", "query", "start"])
    parser.add_argument("--precisions", nargs="+", default=["float32", "int8"],
                        choices=["float32", "int8"])
    parser.add_argument("--program", type=Path, default=ROOT / "build/release/bench/bench_embed")
    options = parser.parse_args()

    import onnxruntime
    import ragstore
    import tokenizers

    model = Path(ragstore.Model.locate())
    texts = read_texts(options.texts)
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    say(job="versions", onnxruntime=onnxruntime.__version__, tokenizers=tokenizers.__version__,
        ragstore=ragstore.__version__, model=model.name, cpu=cpu[0], processors=len(cpu),
        flags=[f for f in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if f in flags])
    with tempfile.TemporaryDirectory() as folder:
        graphs = {"float32": Path(folder, "float32.onnx"), "int8": Path(folder, "int8.onnx")}
        write_graph(model, graphs["float32"])
        if "int8" in options.precisions:
            quantise(graphs["float32"], graphs["int8"])
        truth = Rival(graphs["float32"], model, max(options.threads)).embed(texts)
        for precision in options.precisions:
            for threads in options.threads:
                ours = ragstore.Model(model, threads=threads, precision=precision)
                rival = Rival(graphs[precision], model, threads)
                mine, theirs = np.array(ours.embed(texts)), rival.embed(texts)
                compare(f"{precision}, ours to onnxruntime float32", mine, truth,
                        0.99999 if precision == "float32" else 0.98)
                if precision == "int8":
                    compare("int8, onnxruntime to its own float32", theirs, truth, 0.9)
                if "batch" in options.jobs:
                    tokens = sum(len(rival.tokenizer.encode(text).ids) for text in texts)
                    duel(f"batch {precision}", lambda: ours.embed(texts), lambda: rival.embed(texts),
                         options.rounds, threads=threads, texts=len(texts), tokens=tokens)
                if "query" in options.jobs:
                    duel(f"query {precision}", lambda: ours.embed_queries([QUERY]),
                         lambda: rival.embed([QUERY]), options.rounds * 20, threads=threads,
                         tokens=len(rival.tokenizer.encode(QUERY).ids))
            if "start" in options.jobs:
                start_duel(graphs[precision], model, options.program, options.rounds, precision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
