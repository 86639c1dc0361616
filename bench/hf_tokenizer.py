"""Training and encoding by Hugging Face tokenizers, of the lines of a file.

hf_tokenizer.py TEXT VOCAB_SIZE OUT: trains a byte-level BPE and saves it as OUT, encodes all lines with it, and prints a JSON object. The
environment variable RAYON_NUM_THREADS is the number of threads.
"""
import hashlib, json, struct, sys, time
import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

path, size, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(path, encoding="utf-8", newline="\n") as f:
    lines = f.readlines()
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
begin = time.perf_counter()
t.train_from_iterator(lines, trainer, length=len(lines))
train = time.perf_counter() - begin
t.save(out)
begin = time.perf_counter()
encoded = t.encode_batch_fast(lines, add_special_tokens=False)
encode = time.perf_counter() - begin
h, n = hashlib.sha256(), 0
for e in encoded:
    h.update(struct.pack(f"<{len(e.ids)}i", *e.ids))
    n += len(e.ids)
print(json.dumps(dict(train_s=train, encode_s=encode, tokens=n, sha256=h.hexdigest(), version=tokenizers.__version__)))
