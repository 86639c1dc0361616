package main

import "github.com/spf13/cobra"
func newPeers() *cobra.Command { return &cobra.Command{Use:"peers"} }
func newGEMM() *cobra.Command { return &cobra.Command{Use:"gemm"} }
