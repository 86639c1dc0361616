// Package tokenizer turns text into token ids and back, trains the byte-level BPE vocabulary to do it with, and reads and
// writes Hugging Face tokenizer.json. Training, encoding, offsets and decoding give what Hugging Face tokenizers give, to the
// token; a section or option of tokenizer.json that this package does not implement is refused by name, never ignored.
//
// It imports the standard library only and knows nothing of where text comes from.
//
// Start reading at tokenizer.go (the pipeline), then split.go (how text falls into words), bpe.go (how a word becomes tokens),
// train.go (how the merges are found) and json.go (the file format).
package tokenizer
