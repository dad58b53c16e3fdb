// What Redis' scripts have in common: pieces of Lua, and how a script is made of its text. For the files that
// have scripts; macros, because texts are put together when they are compiled.
#pragma once

// Milliseconds of Redis' clock, in `now`.
#define SCRIPT_NOW                                                                                           \
    "local t = redis.call('TIME')\n"                                                                         \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

// Ends with `answer` where the deadline `deadline`, in milliseconds of Redis' clock, has passed.
#define SCRIPT_IN_TIME(deadline, answer)                                                                     \
    SCRIPT_NOW "if now > tonumber(" deadline ") then return " answer " end\n"

// Defines a function `name` that gives the script of `source`. `repeat` is one of Redis::Repeat.
#define DEFINE_SCRIPT(name, source, repeat)                                                                  \
    const Redis::Script& name() {                                                                            \
        static const Redis::Script script = Redis::make_script(source, Redis::Repeat::repeat);               \
        return script;                                                                                       \
    }
