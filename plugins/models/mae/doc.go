// Package mae is the model plugin of masked autoencoders (He et al., arXiv
// 2111.06377): a Vision Transformer over the visible patches of an image, and a
// smaller one that predicts the others, under the parameter names of Hugging
// Face's ViTMAEForPreTraining. The position tables, which are not trained, are
// constants of the program.
//
// It imports the abi packages. Start reading at model.go.
package mae
