// Command bare is a program that serves HTTP and has no telemetry.
package main

import "net/http"

func main() { _ = http.ListenAndServe("localhost:0", nil) }
