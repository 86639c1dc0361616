"""Greedy generation by transformers' generate with its key-value cache, of a GPT-2 in a folder.

hf_generate.py FOLDER THREADS PROMPT_TOKENS NEW_TOKENS RUNS: prints a JSON object.
"""
import json, statistics, sys, time
import torch
from transformers import GPT2LMHeadModel

folder, threads, prompt, new, runs = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(threads)
model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
ids = torch.tensor([[(7 * i + 3) % model.config.vocab_size for i in range(prompt)]])


def generate(n):
    with torch.inference_mode():
        return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False, use_cache=True, pad_token_id=0)


generate(8)
times = []
for _ in range(runs):
    begin = time.perf_counter()
    out = generate(new)
    times.append(time.perf_counter() - begin)
print(json.dumps(dict(step_s=statistics.median(times), tokens=out[0, prompt:].tolist(), torch=torch.__version__)))
