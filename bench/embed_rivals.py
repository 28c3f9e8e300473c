"""The other programs that rivals_embed.py embeds texts with. Each is a class: made from a model's
directory, a folder for its files, the precision it is to stand beside, and the number of threads;
embed() gives unit vectors of texts in their order.

onnxruntime gets a graph with the operators that it fuses BERT models into (Attention,
SkipLayerNormalization, BiasGelu), so that it has nothing left to optimise, and its own
quantize_dynamic, by channel, for int8. llama.cpp gets a GGUF file, of F32 or of Q8_0 for int8, and ids
of tokens, because it refuses texts that it would have to cut. sentence-transformers runs the directory
as it is, on the processor.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

BATCH = 32


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


# ---- onnxruntime ----


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


def limit_of(model: Path) -> int:
    return json.loads((model / "sentence_bert_config.json").read_text())["max_seq_length"]


def tokenizer_of(model: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.enable_truncation(limit_of(model))
    tokenizer.no_padding()
    return tokenizer


def by_length(texts: list[str], embed) -> np.ndarray:
    """Sorted by length and BATCH at a time, as sentence-transformers does; rows in the texts' order."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    rows = np.concatenate([embed([texts[i] for i in part]) for part in parts])
    out = np.empty_like(rows)
    out[order] = rows
    return out


class OnnxRuntime:
    name = "onnxruntime"
    package = "onnxruntime"
    precisions = ("float32", "int16", "int8")

    @staticmethod
    def prepare(model: Path, folder: Path, precision: str) -> None:
        graph = folder / "float32.onnx"
        if not graph.exists():
            write_graph(model, graph)
        if precision == "int8" and not (folder / "int8.onnx").exists():
            quantise(graph, folder / "int8.onnx")

    def __init__(self, model: Path, folder: Path, precision: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        graph = folder / ("int8.onnx" if precision == "int8" else "float32.onnx")
        self.session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
        self.tokenizer = tokenizer_of(model)
        self.tokenizer.enable_padding()

    def embed_some(self, texts: list[str]) -> np.ndarray:
        some = self.tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in some], np.int64)
        mask = np.array([one.attention_mask for one in some], np.int32)
        return self.session.run(["vector"], {"ids": ids, "mask": mask})[0]

    def embed(self, texts: list[str]) -> np.ndarray:
        return by_length(texts, self.embed_some)


# ---- llama.cpp ----

GGUF_PARTS = {
    "attention.self.query": "attn_q", "attention.self.key": "attn_k",
    "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
}  # fmt: skip
GGUF_EMBEDDINGS = {
    "word_embeddings.weight": "token_embd.weight",
    "token_type_embeddings.weight": "token_types.weight",
    "position_embeddings.weight": "position_embd.weight",
    "LayerNorm.weight": "token_embd_norm.weight",
    "LayerNorm.bias": "token_embd_norm.bias",
}


def gguf_names(layers: int) -> dict[str, str]:
    names = {f"embeddings.{name}": other for name, other in GGUF_EMBEDDINGS.items()}
    for i in range(layers):
        for name, other in GGUF_PARTS.items():
            for kind in ("weight", "bias"):
                names[f"encoder.layer.{i}.{name}.{kind}"] = f"blk.{i}.{other}.{kind}"
    return names


def add_vocabulary(writer, model: Path, count: int) -> None:
    import gguf

    words = (model / "vocab.txt").read_text(encoding="utf-8").split("\n")[:count]
    special = [len(word) > 2 and word[0] == "[" and word[-1] == "]" for word in words]
    pieces = [
        word if alone else word[2:] if word.startswith("##") else "\u2581" + word
        for word, alone in zip(words, special, strict=True)
    ]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if alone else gguf.TokenType.NORMAL for alone in special]
    )
    for add, word in ((writer.add_bos_token_id, "[CLS]"), (writer.add_eos_token_id, "[SEP]"),
                      (writer.add_sep_token_id, "[SEP]"), (writer.add_pad_token_id, "[PAD]"),
                      (writer.add_unk_token_id, "[UNK]"), (writer.add_mask_token_id, "[MASK]")):  # fmt: skip
        add(words.index(word))


def write_gguf(model: Path, out: Path, q8: bool) -> None:
    import gguf

    config = json.loads((model / "config.json").read_text())
    tensors = read_safetensors(model / "model.safetensors")
    writer = gguf.GGUFWriter(out, "bert")
    writer.add_name(model.name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(config["type_vocab_size"])
    add_vocabulary(writer, model, config["vocab_size"])
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, other in gguf_names(config["num_hidden_layers"]).items():
        tensor = np.ascontiguousarray(tensors[name])
        if q8 and tensor.ndim == 2 and not name.startswith("embeddings."):
            writer.add_tensor(other, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(other, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class LlamaCpp:
    name = "llama.cpp"
    package = "xllamacpp"
    precisions = ("float32", "int16", "int8")

    @staticmethod
    def file(folder: Path, precision: str) -> Path:
        return folder / ("q8.gguf" if precision == "int8" else "f32.gguf")

    @classmethod
    def prepare(cls, model: Path, folder: Path, precision: str) -> None:
        path = cls.file(folder, precision)
        if not path.exists():
            write_gguf(model, path, precision == "int8")

    def __init__(self, model: Path, folder: Path, precision: str, threads: int) -> None:
        import xllamacpp

        self.tokenizer = tokenizer_of(model)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(self.file(folder, precision))
        parameters.embedding, parameters.warmup = True, False
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        parameters.n_parallel = BATCH
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = BATCH * limit_of(model)
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.n_gpu_layers, parameters.verbosity = 0, -1
        parameters.hostnames, parameters.port = ["127.0.0.1"], 0
        self.server = xllamacpp.Server(parameters)

    def embed_some(self, texts: list[str]) -> np.ndarray:
        ids = [one.ids for one in self.tokenizer.encode_batch(texts)]
        reply = self.server.handle_embeddings({"input": ids, "model": "minilm"})
        return np.array([one["embedding"] for one in reply["data"]], np.float32)

    def embed(self, texts: list[str]) -> np.ndarray:
        return by_length(texts, self.embed_some)


# ---- sentence-transformers ----


class SentenceTransformers:
    name = "sentence-transformers"
    package = "sentence-transformers"
    precisions = ("float32", "int16")

    @staticmethod
    def prepare(model: Path, folder: Path, precision: str) -> None:
        pass

    def __init__(self, model: Path, folder: Path, precision: str, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.model = SentenceTransformer(str(model), device="cpu")

    def embed(self, texts: list[str]) -> np.ndarray:
        return self.model.encode(texts, batch_size=BATCH, show_progress_bar=False)


RIVALS = {rival.name: rival for rival in (OnnxRuntime, LlamaCpp, SentenceTransformers)}
