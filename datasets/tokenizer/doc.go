// Package tokenizer turns text into token ids and back, trains vocabularies to do it with, and reads and writes Hugging Face
// tokenizer.json. There are three models: byte-level BPE (GPT), WordPiece (BERT) and Unigram (T5). Training, encoding, offsets and
// decoding give what Hugging Face tokenizers give, to the token; Train says where chance or rounding leaves something open there. A
// section or option of tokenizer.json that this package does not implement is refused by name, never ignored. Character classes
// and normalization are those of Go's Unicode tables, so characters that were assigned later than the tables of another
// implementation can fall into other words there.
//
// It imports abi/numerics and golang.org/x/text/unicode/norm and knows nothing of where text comes from.
//
// Start reading at tokenizer.go (the pipeline), then split.go and bpe.go (how text falls into words, and words into tokens, of
// bytes), wordlevel.go (the same of characters: normalize.go, pretokenize.go, wordpiece.go, unigram.go), train.go and json.go.
package tokenizer
