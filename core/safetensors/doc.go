// Package safetensors reads and writes the safetensors format of Hugging Face: eight bytes little-endian header length, a JSON
// header that names every tensor with its dtype, shape and place, then the tensors' bytes, little-endian and row-major.
//
// The reader checks the whole header before it gives out a tensor, and is as strict as the upstream implementation or stricter:
// the header is bounded, its JSON has no duplicate or unknown keys, and the tensors fill the data without gap or overlap. It never
// holds more of a file than the caller asks for. The writer streams and is deterministic: the same tensors and metadata give the
// same bytes, and these are the bytes that upstream writes.
//
// Format: https://huggingface.co/docs/safetensors and, for what the text leaves open, safetensors/src/tensor.rs of
// github.com/huggingface/safetensors.
//
// It imports abi/ir and the standard library.
//
// Start reading at file.go (the reader), then header.go (the JSON) and write.go.
package safetensors
