# Pictures and the report in a browser: they load, nobody complains, something
# is drawn, and no text lies on another one or outside the picture.
#
# All of them are put into one page, twice: as images, which a script draws onto
# a canvas to count colours, and as parts of the page, which it measures.  The
# script belongs to this page; pictures have none.  It writes what it finds into
# the page, which one run of headless Chromium dumps.

use strict;
use warnings;

use IPC::Run;
use MIME::Base64;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($browser) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
plan skip_all => 'no chromium' unless defined $browser;

my $node = kmeans_cluster('pictures', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);

$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE iris AS SELECT * FROM kmeans_iris();
CREATE TABLE blobs AS SELECT id, x[1] AS x, x[2] AS y FROM kmeans_make_blobs(1200, 12, cluster_std => 0.5, seed => 7);
CREATE TABLE customers AS
  SELECT id, exp(x[1]) AS avg_order, exp(x[2] / 2)::int AS frequency, date '2022-01-01' + (x[3] * 40)::int AS last_order, id * interval '1 hour' AS waited
  FROM kmeans_make_blobs(5000, 5, 3, cluster_std => 1.2, center_min => 1, center_max => 5, seed => 3);
CREATE TABLE hostile AS
  SELECT id, x AS "<script>alert('x')</script>", y AS "a ""quoted"" & very long feature name that has no end, really",
         x + y AS "größe", -x AS "日本語の列" FROM blobs;
SELECT kmeans_fit('iris', 'iris', k => 3);
SELECT kmeans_fit('one', 'iris', k => 1);
SELECT kmeans_fit('strip', 'iris', '{petal_length}', k => 3);
SELECT kmeans_fit('twelve', 'blobs', k => 12);
SELECT kmeans_fit('customers', 'customers', k => 5, scale => 'standard');
SELECT kmeans_fit('many', 'customers', '{avg_order,frequency}', k => 300);
SELECT kmeans_fit('<b>hostile</b> & "quoted"', 'hostile', k => 4);
SELECT kmeans_set_label('<b>hostile</b> & "quoted"', 0, '<script>alert("hi")</script>'),
       kmeans_set_label('<b>hostile</b> & "quoted"', 1, E'bell\x07 ]]> <!-- &amp; tab\t'),
       kmeans_set_label('<b>hostile</b> & "quoted"', 2, 'とても長いラベルはここで切れるはずです、きっと'),
       kmeans_set_label('<b>hostile</b> & "quoted"', 3, 'a very long label that cannot fit into any legend');
SQL

my @calls = (
	"kmeans_plot('iris')",
	"kmeans_plot('one', 'petal_length', 'petal_width', title => 'One cluster')",
	"kmeans_plot('strip')",
	"kmeans_plot('twelve', width => 500, height => 300)",
	"kmeans_plot('customers')",
	"kmeans_plot('customers', 'last_order', 'waited')",
	"kmeans_plot('customers', 'waited', 'avg_order', width => 300, height => 240)",
	"kmeans_plot('many')",
	q{kmeans_plot('<b>hostile</b> & "quoted"', title => repeat('"><img src=x onerror=alert(1)>', 9))},
	"kmeans_plot_elbow('iris')",
	"kmeans_plot_elbow('customers', scale => 'standard', k_min => 2, k_max => 70, n_init => 1, sample_rows => 200)",
	"kmeans_plot_profile('iris')",
	"kmeans_plot_profile('customers')",
	"kmeans_plot_profile('many')",
	q{kmeans_plot_profile('<b>hostile</b> & "quoted"')},
	"kmeans_plot_silhouette('iris')",
	"kmeans_plot_silhouette('one')",
	"kmeans_plot_silhouette('many')",
	q{kmeans_plot_silhouette('<b>hostile</b> & "quoted"')});
my @reports = ("kmeans_report('iris')", "kmeans_report('many')", q{kmeans_report('<b>hostile</b> & "quoted"')});

my $directory = PostgreSQL::Test::Utils::tempdir();
my $page = "$directory/pictures.html";
my @parts;

foreach my $call (@calls)
{
	my $svg = $node->safe_psql('postgres', "SELECT $call");
	my $image = encode_base64($svg, '');

	push @parts, qq{<img src="data:image/svg+xml;base64,$image"/>\n<div class="inline">$svg</div>\n};
}
foreach my $call (@reports)
{
	my $html = encode_base64($node->safe_psql('postgres', "SELECT $call"), '');

	push @parts, qq{<iframe width="1000" height="800" data-page="$html"></iframe>\n};
}

# what measures texts must find this
push @parts, <<'HTML';
<div class="inline"><svg xmlns="http://www.w3.org/2000/svg" width="100" height="50">
<text x="5" y="20">one</text><text x="10" y="22">two</text><text x="90" y="40">three</text></svg></div>
HTML
append_to_file($page, join('', "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"/></head><body>\n", @parts, <<'HTML'));
<pre id="found"></pre>
<script>
// the number of colours of an image: 1 if it is blank
function colours(image) {
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return new Set(new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
}

// what is wrong with the texts of a picture
function texts(svg) {
  const frame = svg.getBoundingClientRect();
  const wrong = [];
  const boxes = [...svg.querySelectorAll('text')].map(text => {
    // of a turned text the corners of its own box say where it is
    const box = text.getBBox(), to = text.getScreenCTM();
    const corners = [[box.x, box.y], [box.x + box.width, box.y], [box.x + box.width, box.y + box.height], [box.x, box.y + box.height]]
      .map(([x, y]) => new DOMPoint(x, y).matrixTransform(to));
    return {text: text.textContent, corners, turned: text.hasAttribute('transform') && !text.getAttribute('transform').includes('-90')};
  });
  const range = (box, axis) => [Math.min(...box.corners.map(c => c[axis])), Math.max(...box.corners.map(c => c[axis]))];
  const apart = (a, b, axis) => range(a, axis)[1] <= range(b, axis)[0] + 1 || range(b, axis)[1] <= range(a, axis)[0] + 1;

  boxes.forEach((a, i) => {
    const [left, right] = range(a, 'x'), [top, bottom] = range(a, 'y');
    if (left < frame.left - 1 || right > frame.right + 1 || top < frame.top - 1 || bottom > frame.bottom + 1)
      wrong.push(a.text + ' is outside');
    // parallel slanted texts share rectangles without touching
    boxes.slice(0, i).forEach(b => {
      if (!(a.turned && b.turned) && !apart(a, b, 'x') && !apart(a, b, 'y'))
        wrong.push(a.text + ' is on ' + b.text);
    });
  });
  return wrong;
}

// on how many lines a cell of a table has its text
function lines(cell) {
  const range = cell.ownerDocument.createRange();
  range.selectNodeContents(cell);
  return range.getClientRects().length;
}

async function look() {
  const found = [];
  for (const image of document.querySelectorAll('img')) {
    await image.decode();
    found.push('image: ' + colours(image));
  }
  for (const svg of document.querySelectorAll('.inline > svg'))
    found.push('texts: ' + JSON.stringify(texts(svg)));
  for (const frame of document.querySelectorAll('iframe')) {
    const bytes = Uint8Array.from(atob(frame.dataset.page), c => c.charCodeAt(0));
    const loaded = new Promise(done => frame.onload = done);
    frame.srcdoc = new TextDecoder().decode(bytes);
    await loaded;
    const page = frame.contentDocument;
    const fits = width => page.documentElement.scrollWidth <= width ? 'fits' : 'too wide';
    found.push('report: ' + page.querySelectorAll('svg').length + ' pictures, ' + page.querySelectorAll('h2').length + ' sections, ' +
               page.scripts.length + ' scripts, ' + fits(1000));
    page.querySelectorAll('svg').forEach(svg => found.push('texts: ' + JSON.stringify(texts(svg))));
    frame.width = 360;
    found.push('narrow: ' + [...page.querySelectorAll('.r')].filter(cell => lines(cell) > 1).length + ' numbers wrap, ' + fits(360));
  }
  document.getElementById('found').textContent = found.join('\n') + '\nend';
}
look().catch(error => document.getElementById('found').textContent = 'failed: ' + error);
</script>
</body></html>
HTML

my ($dom, $log) = ('', '');
IPC::Run::run([ $browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', "--user-data-dir=$directory/profile",
		'--enable-logging=stderr', '--virtual-time-budget=60000', '--window-size=1200,900', '--dump-dom', "file://$page" ],
	'<', '/dev/null', '>', \$dom, '2>', \$log, IPC::Run::timeout(180));
my ($found) = $dom =~ m{<pre id="found">(.*?)</pre>}s;

like($found // '', qr/^end$/m, 'the page was looked at') or diag($log);
$found //= '';
my @images = $found =~ /^image: (\d+)$/mg;
is(scalar(@images), scalar(@calls), 'all pictures load as images');
foreach my $i (0 .. $#calls)
{
	cmp_ok($images[$i] // 0, '>', 10, "something is drawn by $calls[$i]");
}
my @texts = $found =~ /^texts: (.*)$/mg;
is(splice(@texts, scalar(@calls), 1), '["two is on one","three is outside"]', 'texts that lie on each other, or outside, are found');
foreach my $i (0 .. $#texts)
{
	is($texts[$i], '[]', 'texts lie beside each other, and inside: ' . ($calls[$i] // 'report'));
}
is(scalar(@texts), @calls + 3 * @reports, 'the texts of all pictures were measured');
is(scalar(() = $found =~ /^report: 3 pictures, 9 sections, 0 scripts, fits$/mg), scalar(@reports), 'reports have their parts')
  or diag($found);
is(scalar(() = $found =~ /^narrow: 0 numbers wrap, fits$/mg), scalar(@reports), 'reports can be read on a telephone')
  or diag($found);
my @complaints = $log =~ /^.*CONSOLE.*$/mg;
is(scalar(@complaints), 0, 'nothing on the console') or diag(join("\n", @complaints));

$node->stop;
done_testing();
