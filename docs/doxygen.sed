# What Doxygen reads in place of a header, line for line: this project's plain comments in Doxygen's spelling.
# The comment that begins a file says what the file is for; #pragma once is below it.
1s|^// |/** @brief |
2,4s|^// ||
2,5s|^#pragma once$|@file */|
# A comment after a member or a parameter belongs to it, and so do the lines that go on below it.
/^(struct|class) /!s|([;,]) +// (.*)$|\1 ///< \2|
s|^( {20,})// |\1///< |
