// Command bench measures the project beside others on the machine at hand:
//
//	go run ./bench peers gpt_small         training steps, PyTorch and the project in turn
//	go run ./bench gate                    are the ratios as good as those that were committed?
//	go run ./bench generate gpt2           tokens a second, transformers and the project in turn
//	go run ./bench tokenizer FILE...       training and encoding, Hugging Face tokenizers and the project in turn
//	go run ./bench scaling                 how the cost of a step grows with each size
//	go run ./bench step gpt_small          the project's steps alone
//	go run ./bench roofline                steps beside what the machine allows, and where the rest goes
//	go run ./bench boundary gpt_small      steps in three plugin processes beside steps in one
//	go run ./bench gemm                    matrix products on one core
//	go run ./bench kernels                 convolutions, attention and what memory bounds, against the peaks
//	go run ./bench learning                what each system learns from real data
//	go run ./bench paper                   two steps of each system at its paper's size
//
// README.md beside it says what the figures mean. Start reading at peers.go.
package main
