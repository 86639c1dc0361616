// Package checkpoint keeps the state of a run on disk. A checkpoint is a folder:
//
//	step-00000123/
//	  model.safetensors      the parameters
//	  optimizer.safetensors  the optimizer's tensors, such as moments
//	  recipe.yaml, ...       other files, by name
//	  manifest.json          what is in the folder, with size and SHA-256 of every file
//	  manifest.sha256        SHA-256 of manifest.json, as sha256sum writes it
//
// Save makes a checkpoint under a temporary name and renames it when all of it is on the disk, so a folder called step-... is whole
// unless the disk damaged it later; what did, Verify tells. The same state gives the same bytes: nothing in a checkpoint depends on
// the clock or the machine.
//
// One process at a time may save into a folder: take Lock first.
//
// It imports core/safetensors, abi/ir, abi/numerics, the standard library and golang.org/x/sys.
//
// Start reading at save.go, then manifest.go (the format), open.go (reading and verifying), weights.go (the hash of a model),
// compare.go and lock.go.
package checkpoint
