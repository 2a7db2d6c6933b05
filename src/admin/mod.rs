//! The gRPC admin service: authenticate, convert, hand to the controller.
