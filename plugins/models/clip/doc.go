// Package clip is the model plugin of CLIP (Radford et al., arXiv 2103.00020):
// a vision transformer and a text transformer whose embeddings of an image and
// its caption are near each other, under the parameter names of Hugging Face's
// CLIPModel; or, as its image tower, the paper's residual network with
// attention pooling, under the names of the released models. The transformer of
// images may be trained as a masked autoencoder beside.
//
// It imports the abi packages. Start reading at model.go, then
// resnet.go.
package clip
