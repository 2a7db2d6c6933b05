//! Per fleet the one writer: command or event -> release step -> snapshot build -> store commit.
