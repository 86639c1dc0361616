// Package vit is the model plugin of the Vision Transformer (Dosovitskiy et
// al., arXiv 2010.11929), under the parameter names of Hugging Face's
// ViTForImageClassification.
//
// It imports the abi packages. Start reading at model.go.
package vit
