// Package discrete_vae is the objective of DALL-E's first stage (Ramesh et al.,
// arXiv 2102.12092, section 2.1 and appendix A): the logit-Laplace likelihood
// of the pixels, and the divergence of the codes from a uniform distribution.
// The temperature of the relaxation falls over the run.
//
// It imports the abi packages and Arrow. Start reading at objective.go.
package discrete_vae
