// Package clip is the model plugin of CLIP (Radford et al., arXiv 2103.00020):
// a vision transformer and a text transformer whose embeddings of an image and
// its caption are near each other, under the parameter names of Hugging Face's
// CLIPModel.
//
// It imports the abi packages. Start reading at model.go.
package clip
