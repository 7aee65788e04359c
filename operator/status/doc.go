// Package status finds out how a running pipeline is: whether logs arrive, how late, what
// is stuck, why, and what to do about it. It asks nothing but Temporal, a bounded number of
// questions however large the pipeline is, and answers when neither a starter nor a worker
// runs.
package status
