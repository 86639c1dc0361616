// Package vit is the model plugin of the Vision Transformer (Dosovitskiy et
// al., arXiv 2010.11929), under the parameter names of Hugging Face's
// ViTForImageClassification. It also predicts patches that are hidden (appendix
// B.1.2), under those of ViTForMaskedImageModeling, and is an encoder of two
// views as SimCLR's (Chen et al., arXiv 2002.05709).
//
// It imports the abi packages. Start reading at model.go.
package vit
