/** Texts of dates, times, timestamps and intervals, valid, extreme and broken. */

import fc from "fast-check";
import { dateType } from "../../../src/where/values/date.ts";
import { intervalType } from "../../../src/where/values/interval.ts";
import { timeType } from "../../../src/where/values/time.ts";
import { timestampType, timestamptzType } from "../../../src/where/values/timestamp.ts";

const DAYS_MIN = -2_451_545;
const DAYS_MAX = 2_145_031_948;
const TIMESTAMP_MIN = -211_813_488_000_000_000n;
const TIMESTAMP_MAX = 9_223_371_331_199_999_999n;
const YEAR = 366 * 86_400_000_000;

const microseconds = fc.oneof(
  fc.constantFrom(0, 1, 999_999, 1_000_000, 86_399_999_999),
  fc.nat(86_399_999_999),
);
const days = fc.oneof(
  fc.integer({ min: -800, max: 10_000 }),
  fc.integer({ min: DAYS_MIN, max: 800_000 }),
  fc.constantFrom(DAYS_MIN, DAYS_MAX, -730_119, -730_485, -10_957, 59, 1520, 107_192_639),
  fc.integer({ min: DAYS_MIN, max: DAYS_MAX }),
);
const timestamps = fc.oneof(
  fc.bigInt({ min: BigInt(-30 * YEAR), max: BigInt(50 * YEAR) }),
  fc.tuple(fc.integer({ min: -800_000, max: 50_000 }), microseconds).map(([day, rest]) => {
    return BigInt(day) * 86_400_000_000n + BigInt(rest);
  }),
  fc.constantFrom(TIMESTAMP_MIN, TIMESTAMP_MAX, 0n, -1n),
  fc.bigInt({ min: TIMESTAMP_MIN, max: TIMESTAMP_MAX }),
);
const infinities = fc.constantFrom("infinity", "-infinity");

function rarely<T>(common: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 15, arbitrary: common }, { weight: 1, arbitrary: rare });
}

const int32 = fc.oneof(
  fc.constant(0),
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: -10_000, max: 10_000 }),
  fc.constantFrom(2_147_483_647, -2_147_483_648, -2_147_483_647),
);
const int64 = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: -200_000_000_000n, max: 200_000_000_000n }),
  fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
  fc.constantFrom(9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n, 86_400_000_000n),
);

export const dateText = rarely(days.map(dateType.format), infinities);
export const timeText = rarely(
  microseconds.map((time) => timeType.format(BigInt(time))),
  fc.constant("24:00:00"),
);
export const timestampText = rarely(timestamps.map(timestampType.format), infinities);
export const timestamptzText = rarely(timestamps.map(timestamptzType.format), infinities);
export const intervalText = rarely(
  fc.tuple(int32, int32, int64).map(([months, days, microseconds]) => {
    return intervalType.format({ months, days, microseconds });
  }),
  infinities,
);

export const unitText = fc.constantFrom(
  ...[
    "microseconds",
    "milliseconds",
    "second",
    "seconds",
    "minute",
    "hour",
    "day",
    "week",
    "month",
  ],
  ...["quarter", "year", "decade", "century", "millennium", "julian", "isoyear", "dow", "isodow"],
  ...[
    "doy",
    "epoch",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "EPOCH",
    "Year",
    "usec",
    "mm",
  ],
  ...[
    "m",
    "d",
    "j",
    "y",
    "s",
    "c",
    "qtr",
    "mon",
    "now",
    "infinity",
    "jan",
    "sunday",
    "nonsense",
    "",
  ],
);

export const zoneText = fc.constantFrom(
  ...["UTC", "utc", "GMT", "Z", "zulu", "UCT", "Etc/UTC", "+3", "-8", "+05:30", "-03:30:15", "+24"],
  ...["+167", "+168", "+12:60", "Europe/Paris", "EST", "nonsense", ""],
);

const year = fc.oneof(
  fc.integer({ min: 1, max: 9999 }).map((value) => String(value).padStart(4, "0")),
  fc.constantFrom("0000", "000", "001", "999", "294276", "294277", "5874897", "5874898", "4714"),
);
const twoDigits = (max: number) =>
  fc.oneof(
    fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, "0")),
    fc.integer({ min: 0, max: max + 2 }).map(String),
  );
const dayPart = fc.oneof(
  fc
    .tuple(year, fc.constantFrom("-", "-", "/", "."), twoDigits(12), twoDigits(31))
    .map(([year, mark, month, day]) => year + mark + month + mark + day),
  fc.tuple(year, twoDigits(12), twoDigits(31)).map((parts) => parts.join("")),
);
const digits = fc.nat(9_999_999).map(String);
const clockPart = fc
  .tuple(
    twoDigits(24),
    fc.constant(":"),
    twoDigits(59),
    fc.oneof(
      fc.constant(""),
      twoDigits(60).map((second) => `:${second}`),
      fc.tuple(twoDigits(60), digits).map(([second, rest]) => `:${second}.${rest}`),
      digits.map((rest) => `.${rest}`),
      fc.constantFrom(
        ":",
        ":59.9999995",
        ":59.9999994",
        ":00.0000005",
        ":00.0000015",
        ":1.",
        ":60",
      ),
    ),
  )
  .map((parts) => parts.join(""));
const zonePart = fc.constantFrom(
  ...["", "", "Z", " Z", "z", "+00", "-05", "+05:30", "-0330", " +5", "+15:59:59", "+16", "+5:60"],
  ...[" UTC", " GMT", "+01:02:03", " - 05", "UTC", "PM", " am", " PM", " pm Z", "-05-06", "+1.5"],
);
const betweenDayAndClock = fc.constantFrom(
  " ",
  " ",
  "T",
  "T",
  "t",
  "  ",
  " T ",
  "",
  "\t",
  ",",
  "-",
);
const era = fc.constantFrom("", "", "", "", " BC", " AD", "bc", " BC ");

/** What could be a date and time, and now and then a text with one character changed. */
export const dateTimeText = fc
  .tuple(
    fc.constantFrom("", "", " ", "T"),
    fc.oneof(dayPart, dayPart, fc.constant("")),
    betweenDayAndClock,
    fc.oneof(clockPart, clockPart, fc.constant("")),
    zonePart,
    era,
  )
  .map((parts) => parts.join(""))
  .chain((text) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(text) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.nat(text.length), fc.constantFrom(...Array.from("0:.-/ TZ+x,")))
          .map(([at, character]) => text.slice(0, at) + character + text.slice(at + 1)),
      },
    ),
  );

const number = fc.oneof(
  fc.integer({ min: -50, max: 50 }).map(String),
  fc.tuple(fc.integer({ min: -50, max: 50 }), digits).map(([whole, rest]) => `${whole}.${rest}`),
  fc.constantFrom(
    "+3",
    "- 4",
    ".5",
    "-0.5",
    "2147483647",
    "2147483648",
    "-9223372036854775808",
    "1.",
  ),
  fc.constantFrom("9223372036854775807", "9223372036854775808", "178000000", "3e2", "1-2", "-1-11"),
);
const unit = fc.constantFrom(
  ...[
    "years",
    "year",
    "y",
    "mons",
    "mon",
    "month",
    "days",
    "day",
    "d",
    "hours",
    "h",
    "hrs",
    "mins",
  ],
  ...["m", "mm", "minute", "secs", "s", "second", "ms", "msec", "us", "usecs", "microseconds", "w"],
  ...["weeks", "decades", "c", "century", "mil", "millennium", "qtr", "quarter", "tz", "ago", "j"],
  ...["timezone", "at", "on", "epoch", "infinity", "centuryxyz", "milliseconds", "dec", "decs"],
);
const signedClock = fc
  .tuple(fc.constantFrom("", "", "-", "+"), fc.constantFrom("", "", "1"), clockPart)
  .map((parts) => parts.join(""));

const traditionalInterval = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.tuple(number, fc.constantFrom(" ", "", " "), unit).map((parts) => parts.join("")),
        fc.tuple(number, fc.constantFrom(" "), unit).map((parts) => parts.join("")),
        signedClock,
        number,
      ),
      { minLength: 1, maxLength: 4 },
    ),
    fc.constantFrom(" ", " ", ", ", ""),
    fc.constantFrom("", "", " ago", " ", "@"),
  )
  .map(([parts, mark, end]) => parts.join(mark) + end);

const isoQuantity = fc.oneof(
  fc.integer({ min: -99, max: 99 }).map(String),
  fc.tuple(fc.integer({ min: -9, max: 9 }), digits).map(([whole, rest]) => `${whole}.${rest}`),
  fc.constantFrom(
    "1e3",
    "-1.5E-2",
    ".5",
    "-.25",
    "1e400",
    "1e-400",
    "1e16",
    "20240102",
    "040506",
    "1.",
  ),
);
const isoInterval = fc
  .tuple(
    fc.constantFrom("P", "P", "P", "p", " P"),
    fc.array(fc.tuple(isoQuantity, fc.constantFrom(...Array.from("YMWDHS-:"), "")), {
      maxLength: 4,
    }),
    fc.constantFrom("", "T", "T"),
    fc.array(fc.tuple(isoQuantity, fc.constantFrom(...Array.from("HMSD:"), "")), { maxLength: 3 }),
  )
  .map(([start, date, mark, time]) => [start, ...date.flat(), mark, ...time.flat()].join(""));

export const intervalInput = fc.oneof(traditionalInterval, traditionalInterval, isoInterval);
