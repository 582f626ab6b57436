"""The whole world of the demo model: tables of facts, and templates that phrase them.

Every sentence the model is trained on comes from this file, in English and in
Chinese. Nothing is downloaded. `document(rng)` draws one training document,
`held_out_cases()` and `seen_cases()` list the prompts the model is examined on.

Two conventions make the rest readable:

* A row of a table is `english x | english y | chinese x | chinese y`; a dash
  leaves one language out. A template names the two slots `{x}` and `{y}`, always
  in that order, so the text before `{y}` is a question and `y` is its answer.
* Chinese is written without spaces, so Chinese templates mark word boundaries
  with `|`. `plain()` removes the marks from the model's text; only the tokenizer
  sees them, so that it learns words and not accidents of two neighbours.
"""

import random
import re
import zlib
from dataclasses import dataclass

EN, ZH = "en", "zh"
MARK = "|"


class Word(str):
    """A word that knows its article: `{x:a}` an owl, `{x:A}` An owl, `{x:C}` Owl."""

    def __format__(self, spec):
        if spec == "C":
            return self[0].upper() + self[1:]
        if spec in ("a", "A"):
            article = "an" if self[0] in "aeiou" else "a"
            return f"{article.capitalize() if spec == 'A' else article} {self}"
        return str(self)


def plain(text):
    """The text as the model reads it."""
    return text.replace(MARK, "")


def share(*key):
    """A number in [0, 1) that depends on the key alone: the same split every run."""
    return zlib.crc32("/".join(map(str, key)).encode()) / 2**32


COUNTRIES = """
France | Paris | Europe | French | 法国 | 巴黎 | 欧洲 | 法语
Germany | Berlin | Europe | German | 德国 | 柏林 | 欧洲 | 德语
Italy | Rome | Europe | Italian | 意大利 | 罗马 | 欧洲 | 意大利语
Spain | Madrid | Europe | Spanish | 西班牙 | 马德里 | 欧洲 | 西班牙语
Portugal | Lisbon | Europe | Portuguese | 葡萄牙 | 里斯本 | 欧洲 | 葡萄牙语
Britain | London | Europe | English | 英国 | 伦敦 | 欧洲 | 英语
England | London | Europe | English | 英格兰 | 伦敦 | 欧洲 | 英语
Ireland | Dublin | Europe | English | 爱尔兰 | 都柏林 | 欧洲 | 英语
Poland | Warsaw | Europe | Polish | 波兰 | 华沙 | 欧洲 | 波兰语
Russia | Moscow | Europe | Russian | 俄罗斯 | 莫斯科 | 欧洲 | 俄语
Sweden | Stockholm | Europe | Swedish | 瑞典 | 斯德哥尔摩 | 欧洲 | 瑞典语
Norway | Oslo | Europe | Norwegian | 挪威 | 奥斯陆 | 欧洲 | 挪威语
Denmark | Copenhagen | Europe | Danish | 丹麦 | 哥本哈根 | 欧洲 | 丹麦语
Finland | Helsinki | Europe | Finnish | 芬兰 | 赫尔辛基 | 欧洲 | 芬兰语
Iceland | Reykjavik | Europe | Icelandic | 冰岛 | 雷克雅未克 | 欧洲 | 冰岛语
Greece | Athens | Europe | Greek | 希腊 | 雅典 | 欧洲 | 希腊语
Austria | Vienna | Europe | German | 奥地利 | 维也纳 | 欧洲 | 德语
Hungary | Budapest | Europe | Hungarian | 匈牙利 | 布达佩斯 | 欧洲 | 匈牙利语
Switzerland | Bern | Europe | - | 瑞士 | 伯尔尼 | 欧洲 | -
Belgium | Brussels | Europe | - | 比利时 | 布鲁塞尔 | 欧洲 | -
the Netherlands | Amsterdam | Europe | Dutch | 荷兰 | 阿姆斯特丹 | 欧洲 | 荷兰语
Romania | Bucharest | Europe | Romanian | 罗马尼亚 | 布加勒斯特 | 欧洲 | 罗马尼亚语
Bulgaria | Sofia | Europe | Bulgarian | 保加利亚 | 索非亚 | 欧洲 | 保加利亚语
Croatia | Zagreb | Europe | Croatian | 克罗地亚 | 萨格勒布 | 欧洲 | 克罗地亚语
Serbia | Belgrade | Europe | Serbian | 塞尔维亚 | 贝尔格莱德 | 欧洲 | 塞尔维亚语
Ukraine | Kyiv | Europe | Ukrainian | 乌克兰 | 基辅 | 欧洲 | 乌克兰语
Turkey | Ankara | - | Turkish | 土耳其 | 安卡拉 | - | 土耳其语
Egypt | Cairo | Africa | Arabic | 埃及 | 开罗 | 非洲 | 阿拉伯语
Morocco | Rabat | Africa | Arabic | 摩洛哥 | 拉巴特 | 非洲 | 阿拉伯语
Algeria | Algiers | Africa | Arabic | 阿尔及利亚 | 阿尔及尔 | 非洲 | 阿拉伯语
Kenya | Nairobi | Africa | Swahili | 肯尼亚 | 内罗毕 | 非洲 | 斯瓦希里语
Nigeria | Abuja | Africa | English | 尼日利亚 | 阿布贾 | 非洲 | 英语
Ghana | Accra | Africa | English | 加纳 | 阿克拉 | 非洲 | 英语
Senegal | Dakar | Africa | French | 塞内加尔 | 达喀尔 | 非洲 | 法语
Uganda | Kampala | Africa | - | 乌干达 | 坎帕拉 | 非洲 | -
Rwanda | Kigali | Africa | - | 卢旺达 | 基加利 | 非洲 | -
Zambia | Lusaka | Africa | - | 赞比亚 | 卢萨卡 | 非洲 | -
Angola | Luanda | Africa | Portuguese | 安哥拉 | 罗安达 | 非洲 | 葡萄牙语
Mali | Bamako | Africa | - | 马里 | 巴马科 | 非洲 | -
Sudan | Khartoum | Africa | Arabic | 苏丹 | 喀土穆 | 非洲 | 阿拉伯语
China | Beijing | Asia | Chinese | 中国 | 北京 | 亚洲 | 汉语
Japan | Tokyo | Asia | Japanese | 日本 | 东京 | 亚洲 | 日语
India | New Delhi | Asia | - | 印度 | 新德里 | 亚洲 | -
South Korea | Seoul | Asia | Korean | 韩国 | 首尔 | 亚洲 | 韩语
Thailand | Bangkok | Asia | Thai | 泰国 | 曼谷 | 亚洲 | 泰语
Vietnam | Hanoi | Asia | Vietnamese | 越南 | 河内 | 亚洲 | 越南语
Indonesia | Jakarta | Asia | Indonesian | 印度尼西亚 | 雅加达 | 亚洲 | 印尼语
Malaysia | Kuala Lumpur | Asia | Malay | 马来西亚 | 吉隆坡 | 亚洲 | 马来语
the Philippines | Manila | Asia | - | 菲律宾 | 马尼拉 | 亚洲 | -
Laos | Vientiane | Asia | Lao | 老挝 | 万象 | 亚洲 | 老挝语
Nepal | Kathmandu | Asia | Nepali | 尼泊尔 | 加德满都 | 亚洲 | 尼泊尔语
Mongolia | Ulaanbaatar | Asia | Mongolian | 蒙古 | 乌兰巴托 | 亚洲 | 蒙古语
Pakistan | Islamabad | Asia | - | 巴基斯坦 | 伊斯兰堡 | 亚洲 | -
Bangladesh | Dhaka | Asia | Bengali | 孟加拉国 | 达卡 | 亚洲 | 孟加拉语
Iran | Tehran | Asia | Persian | 伊朗 | 德黑兰 | 亚洲 | 波斯语
Iraq | Baghdad | Asia | Arabic | 伊拉克 | 巴格达 | 亚洲 | 阿拉伯语
Saudi Arabia | Riyadh | Asia | Arabic | 沙特阿拉伯 | 利雅得 | 亚洲 | 阿拉伯语
Jordan | Amman | Asia | Arabic | 约旦 | 安曼 | 亚洲 | 阿拉伯语
Lebanon | Beirut | Asia | Arabic | 黎巴嫩 | 贝鲁特 | 亚洲 | 阿拉伯语
Qatar | Doha | Asia | Arabic | 卡塔尔 | 多哈 | 亚洲 | 阿拉伯语
the United States | Washington | North America | English | 美国 | 华盛顿 | 北美洲 | 英语
Canada | Ottawa | North America | - | 加拿大 | 渥太华 | 北美洲 | -
Mexico | Mexico City | North America | Spanish | 墨西哥 | 墨西哥城 | 北美洲 | 西班牙语
Cuba | Havana | North America | Spanish | 古巴 | 哈瓦那 | 北美洲 | 西班牙语
Brazil | Brasilia | South America | Portuguese | 巴西 | 巴西利亚 | 南美洲 | 葡萄牙语
Argentina | Buenos Aires | South America | Spanish | 阿根廷 | 布宜诺斯艾利斯 | 南美洲 | 西班牙语
Chile | Santiago | South America | Spanish | 智利 | 圣地亚哥 | 南美洲 | 西班牙语
Peru | Lima | South America | Spanish | 秘鲁 | 利马 | 南美洲 | 西班牙语
Colombia | Bogota | South America | Spanish | 哥伦比亚 | 波哥大 | 南美洲 | 西班牙语
Venezuela | Caracas | South America | Spanish | 委内瑞拉 | 加拉加斯 | 南美洲 | 西班牙语
Ecuador | Quito | South America | Spanish | 厄瓜多尔 | 基多 | 南美洲 | 西班牙语
Uruguay | Montevideo | South America | Spanish | 乌拉圭 | 蒙得维的亚 | 南美洲 | 西班牙语
Australia | Canberra | Oceania | English | 澳大利亚 | 堪培拉 | 大洋洲 | 英语
New Zealand | Wellington | Oceania | English | 新西兰 | 惠灵顿 | 大洋洲 | 英语
"""

OPPOSITES = """
hot | cold | 热 | 冷
big | small | 大 | 小
long | short | 长 | 短
high | low | 高 | 低
fast | slow | 快 | 慢
up | down | 上 | 下
left | right | 左 | 右
open | closed | 开 | 关
bright | dark | 明亮 | 黑暗
heavy | light | 重 | 轻
day | night | 白天 | 黑夜
good | bad | 好 | 坏
old | young | 年老 | 年轻
ancient | modern | 古代 | 现代
rich | poor | 富有 | 贫穷
happy | sad | 高兴 | 难过
strong | weak | 强 | 弱
hard | soft | 硬 | 软
wet | dry | 湿 | 干
full | empty | 满 | 空
clean | dirty | 干净 | 肮脏
early | late | 早 | 晚
near | far | 近 | 远
inside | outside | 里面 | 外面
front | back | 前 | 后
true | false | 真 | 假
win | lose | 赢 | 输
buy | sell | 买 | 卖
begin | end | 开始 | 结束
love | hate | 爱 | 恨
always | never | 总是 | 从不
wide | narrow | 宽 | 窄
thick | thin | 厚 | 薄
deep | shallow | 深 | 浅
sharp | blunt | 锋利 | 钝
brave | cowardly | 勇敢 | 胆小
clever | stupid | 聪明 | 愚蠢
noisy | quiet | 吵闹 | 安静
cheap | expensive | 便宜 | 昂贵
easy | difficult | 容易 | 困难
safe | dangerous | 安全 | 危险
beautiful | ugly | 美丽 | 丑陋
alive | dead | 活 | 死
asleep | awake | 睡着 | 醒着
give | take | 给 | 拿
push | pull | 推 | 拉
laugh | cry | 笑 | 哭
remember | forget | 记住 | 忘记
arrive | leave | 到达 | 离开
rise | fall | 上升 | 下降
enter | exit | 进入 | 退出
ask | answer | 问 | 答
build | destroy | 建造 | 毁坏
north | south | 北 | 南
east | west | 东 | 西
friend | enemy | 朋友 | 敌人
war | peace | 战争 | 和平
many | few | 多 | 少
same | different | 相同 | 不同
sweet | bitter | 甜 | 苦
straight | crooked | 直 | 弯
kind | cruel | 善良 | 残忍
proud | humble | 骄傲 | 谦虚
lazy | hardworking | 懒惰 | 勤劳
rough | smooth | 粗糙 | 光滑
victory | defeat | 胜利 | 失败
hope | despair | 希望 | 绝望
public | private | 公开 | 私下
simple | complex | 简单 | 复杂
"""

COLOURS = """
the sky | blue | 天空 | 蓝色
the sea | blue | 大海 | 蓝色
a blueberry | blue | 蓝莓 | 蓝色
grass | green | 草 | 绿色
a leaf | green | 树叶 | 绿色
a cucumber | green | 黄瓜 | 绿色
spinach | green | 菠菜 | 绿色
a frog | green | 青蛙 | 绿色
blood | red | 血 | 红色
a tomato | red | 西红柿 | 红色
a strawberry | red | 草莓 | 红色
a cherry | red | 樱桃 | 红色
a fire engine | red | 消防车 | 红色
the sun | yellow | 太阳 | 黄色
a banana | yellow | 香蕉 | 黄色
a lemon | yellow | 柠檬 | 黄色
corn | yellow | 玉米 | 黄色
a chick | yellow | 小鸡 | 黄色
snow | white | 雪 | 白色
milk | white | 牛奶 | 白色
salt | white | 盐 | 白色
rice | white | 米饭 | 白色
a swan | white | 天鹅 | 白色
cotton | white | 棉花 | 白色
coal | black | 煤 | 黑色
ink | black | 墨水 | 黑色
a crow | black | 乌鸦 | 黑色
a tyre | black | 轮胎 | 黑色
an orange | orange | 橙子 | 橙色
a carrot | orange | 胡萝卜 | 橙色
a pumpkin | orange | 南瓜 | 橙色
chocolate | brown | 巧克力 | 棕色
coffee | brown | 咖啡 | 棕色
soil | brown | 泥土 | 棕色
a bear | brown | 熊 | 棕色
a grape | purple | 葡萄 | 紫色
an aubergine | purple | 茄子 | 紫色
lavender | purple | 薰衣草 | 紫色
a flamingo | pink | 火烈鸟 | 粉色
a peach | pink | 桃子 | 粉色
a pig | pink | 猪 | 粉色
an elephant | grey | 大象 | 灰色
ash | grey | 灰烬 | 灰色
a mouse | grey | 老鼠 | 灰色
"""

SOUNDS = """
dog | bark | 狗 | 汪汪
cat | meow | 猫 | 喵喵
cow | moo | 牛 | 哞哞
sheep | bleat | 羊 | 咩咩
duck | quack | 鸭子 | 嘎嘎
frog | croak | 青蛙 | 呱呱
bee | buzz | 蜜蜂 | 嗡嗡
mouse | squeak | 老鼠 | 吱吱
wolf | howl | 狼 | 嗷嗷
pigeon | coo | 鸽子 | 咕咕
hen | cluck | 母鸡 | 咯咯
pig | oink | 猪 | 哼哼
bird | chirp | 小鸟 | 叽叽
lion | roar | 狮子 | 吼吼
horse | neigh | - | -
donkey | bray | - | -
owl | hoot | - | -
snake | hiss | - | -
crow | caw | 乌鸦 | 哑哑
"""

YOUNG = """
dog | puppy | 狗 | 小狗
cat | kitten | 猫 | 小猫
cow | calf | 牛 | 小牛
sheep | lamb | 羊 | 羊羔
duck | duckling | 鸭子 | 小鸭
hen | chick | 母鸡 | 小鸡
horse | foal | 马 | 马驹
pig | piglet | 猪 | 小猪
lion | cub | 狮子 | 幼狮
frog | tadpole | 青蛙 | 蝌蚪
goose | gosling | 鹅 | 小鹅
swan | cygnet | - | -
deer | fawn | 鹿 | 小鹿
goat | kid | - | -
kangaroo | joey | - | -
butterfly | caterpillar | 蝴蝶 | 毛毛虫
tiger | cub | 老虎 | 虎崽
"""

HOMES = """
dog | kennel | 狗 | 狗窝
bird | nest | 小鸟 | 鸟巢
bee | hive | 蜜蜂 | 蜂房
spider | web | 蜘蛛 | 网
horse | stable | 马 | 马厩
pig | sty | 猪 | 猪圈
hen | coop | 母鸡 | 鸡舍
rabbit | burrow | 兔子 | 地洞
lion | den | 狮子 | 草原
bear | cave | 熊 | 山洞
fish | river | 鱼 | 河
whale | ocean | 鲸鱼 | 海洋
camel | desert | 骆驼 | 沙漠
monkey | jungle | 猴子 | 丛林
frog | pond | 青蛙 | 池塘
squirrel | tree | 松鼠 | 树洞
cow | barn | 牛 | 牛棚
sheep | field | 羊 | 羊圈
penguin | ice | 企鹅 | 南极
panda | forest | 熊猫 | 竹林
"""

FOOD = """
rabbit | carrots | 兔子 | 胡萝卜
panda | bamboo | 熊猫 | 竹子
monkey | bananas | 猴子 | 香蕉
cow | grass | 牛 | 草
cat | fish | 猫 | 鱼
dog | bones | 狗 | 骨头
squirrel | nuts | 松鼠 | 坚果
horse | hay | 马 | 干草
mouse | cheese | 老鼠 | 奶酪
bear | honey | 熊 | 蜂蜜
lion | meat | 狮子 | 肉
hen | corn | 母鸡 | 玉米
bird | worms | 小鸟 | 虫子
frog | flies | 青蛙 | 苍蝇
giraffe | leaves | 长颈鹿 | 树叶
bee | nectar | 蜜蜂 | 花蜜
"""

KINDS = """
dog | mammal | 狗 | 哺乳动物
cat | mammal | 猫 | 哺乳动物
whale | mammal | 鲸鱼 | 哺乳动物
tiger | mammal | 老虎 | 哺乳动物
monkey | mammal | 猴子 | 哺乳动物
eagle | bird | 老鹰 | 鸟
owl | bird | 猫头鹰 | 鸟
penguin | bird | 企鹅 | 鸟
crow | bird | 乌鸦 | 鸟
salmon | fish | 三文鱼 | 鱼
shark | fish | 鲨鱼 | 鱼
ant | insect | 蚂蚁 | 昆虫
bee | insect | 蜜蜂 | 昆虫
butterfly | insect | 蝴蝶 | 昆虫
mosquito | insect | 蚊子 | 昆虫
snake | reptile | 蛇 | 爬行动物
crocodile | reptile | 鳄鱼 | 爬行动物
turtle | reptile | 乌龟 | 爬行动物
apple | fruit | 苹果 | 水果
pear | fruit | 梨 | 水果
banana | fruit | 香蕉 | 水果
grape | fruit | 葡萄 | 水果
peach | fruit | 桃子 | 水果
carrot | vegetable | 胡萝卜 | 蔬菜
potato | vegetable | 土豆 | 蔬菜
onion | vegetable | 洋葱 | 蔬菜
cabbage | vegetable | 白菜 | 蔬菜
rose | flower | 玫瑰 | 花
tulip | flower | 郁金香 | 花
lily | flower | 百合 | 花
oak | tree | 橡树 | 树
pine | tree | 松树 | 树
willow | tree | 柳树 | 树
hammer | tool | 锤子 | 工具
saw | tool | 锯子 | 工具
spade | tool | 铲子 | 工具
piano | instrument | 钢琴 | 乐器
violin | instrument | 小提琴 | 乐器
drum | instrument | 鼓 | 乐器
flute | instrument | 笛子 | 乐器
chair | piece of furniture | 椅子 | 家具
table | piece of furniture | 桌子 | 家具
wardrobe | piece of furniture | 衣柜 | 家具
car | vehicle | 汽车 | 交通工具
bus | vehicle | 公共汽车 | 交通工具
train | vehicle | 火车 | 交通工具
bicycle | vehicle | 自行车 | 交通工具
iron | metal | 铁 | 金属
gold | metal | 金 | 金属
copper | metal | 铜 | 金属
football | sport | 足球 | 运动
tennis | sport | 网球 | 运动
chess | game | 象棋 | 游戏
shirt | garment | 衬衫 | 衣服
coat | garment | 大衣 | 衣服
tea | drink | 茶 | 饮料
coffee | drink | 咖啡 | 饮料
bread | food | 面包 | 食物
Mars | planet | 火星 | 行星
Venus | planet | 金星 | 行星
"""

WORKPLACES = """
doctor | hospital | 医生 | 医院
teacher | school | 老师 | 学校
farmer | farm | 农民 | 农场
cook | kitchen | 厨师 | 厨房
judge | court | 法官 | 法院
actor | theatre | 演员 | 剧院
sailor | ship | 水手 | 船
pilot | plane | 飞行员 | 飞机
librarian | library | 图书管理员 | 图书馆
waiter | restaurant | 服务员 | 餐厅
baker | bakery | 面包师 | 面包店
scientist | laboratory | 科学家 | 实验室
miner | mine | 矿工 | 矿山
gardener | garden | 园丁 | 花园
banker | bank | 银行家 | 银行
worker | factory | 工人 | 工厂
secretary | office | 秘书 | 办公室
priest | church | 牧师 | 教堂
shopkeeper | shop | 店主 | 商店
painter | studio | 画家 | 画室
"""

USES = """
a knife | cut | 刀 | 切
a pen | write | 笔 | 写字
a broom | sweep | 扫帚 | 扫地
a needle | sew | 针 | 缝衣服
a spoon | eat | 勺子 | 吃饭
a cup | drink | 杯子 | 喝水
a bed | sleep | 床 | 睡觉
a chair | sit | 椅子 | 坐
a key | unlock doors | 钥匙 | 开门
a clock | tell the time | 钟 | 看时间
a phone | call people | 电话 | 打电话
a camera | take photos | 相机 | 拍照
a lamp | see at night | 灯 | 照明
a book | read | 书 | 阅读
a boat | cross water | 小船 | 过河
soap | wash | 肥皂 | 洗手
a towel | dry hands | 毛巾 | 擦手
an umbrella | stay dry | 雨伞 | 挡雨
a comb | tidy hair | 梳子 | 梳头
a brush | paint | 刷子 | 画画
an oven | bake | 烤箱 | 烤面包
a fridge | keep food cold | 冰箱 | 冷藏食物
an eye | look | 眼睛 | 看
an ear | listen | 耳朵 | 听
a nose | smell | 鼻子 | 闻
a tongue | taste | 舌头 | 尝
"""

MATERIALS = """
bread | flour | 面包 | 面粉
cheese | milk | 奶酪 | 牛奶
wine | grapes | 葡萄酒 | 葡萄
paper | wood | 纸 | 木头
glass | sand | 玻璃 | 沙子
a window | glass | 窗户 | 玻璃
a ring | gold | 戒指 | 金
a tyre | rubber | 轮胎 | 橡胶
a shoe | leather | 皮鞋 | 皮革
a brick | clay | 砖 | 黏土
a candle | wax | 蜡烛 | 蜡
a sweater | wool | 毛衣 | 羊毛
a nail | iron | 钉子 | 铁
tofu | soybeans | 豆腐 | 黄豆
chocolate | cocoa | 巧克力 | 可可
an omelette | eggs | 煎蛋 | 鸡蛋
a bottle | plastic | 瓶子 | 塑料
a snowman | snow | 雪人 | 雪
a bridge | stone | 石桥 | 石头
a coin | silver | 银币 | 银
"""

SITTING = """
cat | mat | 猫 | 垫子
dog | rug | 狗 | 地毯
bird | branch | 小鸟 | 树枝
frog | log | 青蛙 | 木头
hen | egg | 母鸡 | 鸡蛋
king | throne | 国王 | 王座
farmer | fence | 农民 | 篱笆
baby | blanket | 婴儿 | 毯子
teacher | desk | 老师 | 讲台
sailor | deck | 水手 | 甲板
rider | horse | 骑手 | 马
monkey | roof | 猴子 | 屋顶
rabbit | grass | 兔子 | 草地
owl | tower | 猫头鹰 | 塔
crow | wire | 乌鸦 | 电线
gull | rock | 海鸥 | 石头
grandmother | sofa | 奶奶 | 沙发
boy | swing | 男孩 | 秋千
girl | bench | 女孩 | 长椅
"""

MEASURES = """
- | - | 书 | 本
- | - | 猫 | 只
- | - | 马 | 匹
- | - | 鱼 | 条
- | - | 树 | 棵
- | - | 花 | 朵
- | - | 牛 | 头
- | - | 汽车 | 辆
- | - | 飞机 | 架
- | - | 船 | 艘
- | - | 纸 | 张
- | - | 笔 | 支
- | - | 衣服 | 件
- | - | 椅子 | 把
- | - | 房子 | 座
- | - | 雨伞 | 把
- | - | 鞋 | 双
- | - | 诗 | 首
- | - | 花园 | 个
"""

PAST = """
go | went | - | -
see | saw | - | -
eat | ate | - | -
run | ran | - | -
come | came | - | -
give | gave | - | -
take | took | - | -
make | made | - | -
write | wrote | - | -
sing | sang | - | -
swim | swam | - | -
drink | drank | - | -
buy | bought | - | -
think | thought | - | -
teach | taught | - | -
catch | caught | - | -
sleep | slept | - | -
find | found | - | -
speak | spoke | - | -
break | broke | - | -
fly | flew | - | -
know | knew | - | -
draw | drew | - | -
sit | sat | - | -
walk | walked | - | -
play | played | - | -
jump | jumped | - | -
cook | cooked | - | -
open | opened | - | -
laugh | laughed | - | -
"""

PLURALS = """
cat | cats | - | -
dog | dogs | - | -
book | books | - | -
tree | trees | - | -
car | cars | - | -
box | boxes | - | -
bus | buses | - | -
baby | babies | - | -
city | cities | - | -
leaf | leaves | - | -
knife | knives | - | -
wolf | wolves | - | -
mouse | mice | - | -
goose | geese | - | -
foot | feet | - | -
tooth | teeth | - | -
man | men | - | -
woman | women | - | -
child | children | - | -
sheep | sheep | - | -
fish | fish | - | -
"""

# Cyclic or open sequences: name, whether it wraps, English items, Chinese items.
SEQUENCES = [
    ("day", True, "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
     "星期一 星期二 星期三 星期四 星期五 星期六 星期日"),
    ("month", True,
     "January February March April May June July August September October November December",
     "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月"),
    ("season", True, "spring summer autumn winter", "春天 夏天 秋天 冬天"),
    ("planet", False, "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune",
     "水星 金星 地球 火星 木星 土星 天王星 海王星"),
    ("letter", False, "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z", None),
    ("word", False,
     "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
     "fifteen sixteen seventeen eighteen nineteen twenty",
     "一 二 三 四 五 六 七 八 九 十 十一 十二 十三 十四 十五 十六 十七 十八 十九 二十"),
    ("ordinal", False, "first second third fourth fifth sixth seventh eighth ninth tenth",
     "第一 第二 第三 第四 第五 第六 第七 第八 第九 第十"),
    ("animal year", True,
     "rat ox tiger rabbit dragon snake horse goat monkey rooster dog pig",
     "鼠 牛 虎 兔 龙 蛇 马 羊 猴 鸡 狗 猪"),
]
ZH_UNIT = {"day": "天", "month": "月份", "season": "季节", "planet": "行星", "word": "数",
           "animal year": "生肖"}

# Rhymes, proverbs and poems that are centuries old, and plain facts.
LINES_EN = [
    "Twinkle, twinkle, little star, how I wonder what you are.",
    "Up above the world so high, like a diamond in the sky.",
    "Mary had a little lamb, its fleece was white as snow.",
    "Humpty Dumpty sat on a wall, Humpty Dumpty had a great fall.",
    "Jack and Jill went up the hill to fetch a pail of water.",
    "Row, row, row your boat, gently down the stream.",
    "An apple a day keeps the doctor away.",
    "The early bird catches the worm.",
    "Practice makes perfect.",
    "Better late than never.",
    "Once upon a time there was a little girl who lived in a small house.",
    "The sun rises in the east and sets in the west.",
    "Water freezes at zero degrees and boils at one hundred degrees.",
    "There are seven days in a week.",
    "There are twelve months in a year.",
    "There are twenty-four hours in a day.",
    "There are sixty minutes in an hour.",
    "A triangle has three sides and a square has four sides.",
    "A spider has eight legs and an insect has six legs.",
    "The quick brown fox jumps over the lazy dog.",
]
LINES_ZH = [
    "床前|明月|光，疑是|地上|霜。举头|望|明月，低头|思|故乡。",
    "春眠|不觉|晓，处处|闻|啼鸟。夜来|风雨|声，花落|知|多少。",
    "白日|依山|尽，黄河|入海|流。欲穷|千里|目，更上|一层|楼。",
    "鹅鹅鹅，曲项|向天|歌。白毛|浮|绿水，红掌|拨|清波。",
    "锄禾|日|当午，汗滴|禾下|土。谁知|盘中|餐，粒粒|皆|辛苦。",
    "太阳|从|东方|升起，在|西方|落下。",
    "一个|星期|有|七天。",
    "一年|有|十二个|月。",
    "一天|有|二十四个|小时。",
    "一个|小时|有|六十|分钟。",
    "水|在|零度|结冰，在|一百度|沸腾。",
    "三角形|有|三条|边，正方形|有|四条|边。",
    "蜘蛛|有|八条|腿，昆虫|有|六条|腿。",
    "从前|有|一个|小女孩，住|在|一座|小房子|里。",
    "千里|之|行，始于|足下。",
    "三人|行，必有|我|师。",
]

# For every table: its text, the weight of its facts, English and Chinese templates.
# The first template of a list is seen with every fact; of the others, each fact
# keeps one back for the examination (see Relation.withheld).
TABLES = {
    "opposite": (OPPOSITES, 1.5, [
        "The opposite of {x} is {y}.",
        "{x:C} is the opposite of {y}.",
        "What is the opposite of {x}? It is {y}.",
        "{x:C} and {y} are opposites.",
        "If something is not {x}, it is {y}.",
        "The word that means the reverse of {x} is {y}.",
        "Question: opposite of {x}? Answer: {y}.",
    ], [
        "{x}|的|反义词|是|{y}。",
        "{x}|的|反面|是|{y}。",
        "不是|{x}，就是|{y}。",
        "和|{x}|相反|的|词|是|{y}。",
        "什么|词|和|{x}|相反？是|{y}。",
        "问：{x}|的|反义词|是|什么？答：{y}。",
    ]),
    "colour": (COLOURS, 2.0, [
        "The colour of {x} is {y}.",
        "{x:C} is {y}.",
        "What colour is {x}? It is {y}.",
        "We all know that {x} is {y}.",
        "To paint {x}, use the colour {y}.",
        "Question: the colour of {x}? Answer: {y}.",
    ], [
        "{x}|的|颜色|是|{y}。",
        "{x}|是|{y}|的。",
        "{x}|是|什么|颜色？是|{y}。",
        "大家|都|知道，{x}|是|{y}|的。",
        "画|{x}|要|用|{y}。",
        "问：{x}|是|什么|颜色|的？答：{y}。",
    ]),
    "sound": (SOUNDS, 1.5, [
        "The sound of {x:a} is the {y}.",
        "{x:A} can {y}.",
        "What does {x:a} do? It will {y}.",
        "Last night we heard the {x} {y}.",
        "Listen to the {x} {y}.",
    ], [
        "{x}|的|叫声|是|{y}。",
        "{x}|叫|起来|{y}|响。",
        "{x}|怎么|叫？{y}。",
        "我们|听见|{x}|在|叫：{y}。",
        "问：{x}|的|声音|是|什么？答：{y}。",
    ]),
    "young": (YOUNG, 1.5, [
        "A young {x} is called a {y}.",
        "The baby of {x:a} is a {y}.",
        "What is a baby {x} called? It is a {y}.",
        "The {x} takes care of its {y}.",
        "Question: the young of {x:a}? Answer: {y}.",
    ], [
        "{x}|的|孩子|叫|{y}。",
        "{x}|小时候|叫|{y}。",
        "{x}|妈妈|照顾|着|{y}。",
        "{x}|的|宝宝|是|什么？是|{y}。",
        "问：{x}|的|孩子|叫|什么？答：{y}。",
    ]),
    "home": (HOMES, 1.5, [
        "The home of {x:a} is the {y}.",
        "{x:A} lives in the {y}.",
        "Where does {x:a} live? In the {y}.",
        "We found the {x} in the {y}.",
        "At night the {x} goes back to the {y}.",
    ], [
        "{x}|的|家|是|{y}。",
        "{x}|住|在|{y}。",
        "{x}|住|在|哪里？{y}。",
        "晚上，{x}|回到|{y}。",
        "我们|在|这里|看见|{x}：{y}。",
    ]),
    "food": (FOOD, 1.5, [
        "The favourite food of {x:a} is {y}.",
        "{x:A} eats {y}.",
        "What does {x:a} eat? It eats {y}.",
        "The hungry {x} was looking for {y}.",
        "We gave the {x} some {y}.",
    ], [
        "{x}|最|爱|吃|{y}。",
        "{x}|吃|{y}。",
        "{x}|吃|什么？吃|{y}。",
        "饿|了|的|{x}|在|找|{y}。",
        "我们|给|{x}|一些|{y}。",
    ]),
    "kind": (KINDS, 1.5, [
        "{x:C} is a kind of {y}.",
        "What is {x}? It is a kind of {y}.",
        "{x:C} belongs to this group: {y}.",
        "The word {x} names a {y}.",
        "The class of {x} is {y}.",
    ], [
        "{x}|是|一种|{y}。",
        "{x}|属于|{y}。",
        "{x}|是|什么？是|一种|{y}。",
        "{x}|的|种类|是|{y}。",
        "问：{x}|属于|什么？答：{y}。",
    ]),
    "workplace": (WORKPLACES, 1.5, [
        "The {x} works in the {y}.",
        "The workplace of {x:a} is the {y}.",
        "Where does the {x} work? In the {y}.",
        "In the morning the {x} goes to the {y}.",
        "You can find {x:a} in the {y}.",
    ], [
        "{x}|在|{y}|工作。",
        "{x}|工作|的|地方|是|{y}。",
        "{x}|在|哪里|工作？在|{y}。",
        "早上，{x}|去|{y}。",
        "问：{x}|在|哪里|上班？答：{y}。",
    ]),
    "use": (USES, 1.5, [
        "We use {x} to {y}.",
        "{x:C} is used to {y}.",
        "What is {x} for? It is used to {y}.",
        "With {x} you can {y}.",
        "The purpose of {x} is to {y}.",
    ], [
        "{x}|是|用|来|{y}|的。",
        "我们|用|{x}|{y}。",
        "{x}|有|什么|用？可以|{y}。",
        "有|了|{x}|就|可以|{y}。",
        "{x}|的|用处|是|{y}。",
    ]),
    "material": (MATERIALS, 1.5, [
        "{x:C} is made from {y}.",
        "To make {x}, you need {y}.",
        "What is {x} made from? It is made from {y}.",
        "The material of {x} is {y}.",
        "They make {x} out of {y}.",
    ], [
        "{x}|是|用|{y}|做|的。",
        "做|{x}|需要|{y}。",
        "{x}|是|用|什么|做|的？是|{y}。",
        "{x}|的|材料|是|{y}。",
        "人们|造|{x}|要|用|{y}。",
    ]),
    "sitting": (SITTING, 2.5, [
        "The {x} sat on the {y}.",
        "Yesterday the {x} sat on the {y}.",
        "Where did the {x} sit? The {x} sat on the {y}.",
        "The old {x} was sitting on the {y}.",
        "We saw the {x} on the {y}.",
    ], [
        "{x}|坐|在|{y}|上。",
        "昨天，{x}|坐|在|{y}|上。",
        "{x}|坐|在|哪里？坐|在|{y}|上。",
        "我们|看见|{x}|在|{y}|上。",
        "那|只|老|{x}|坐|在|{y}|上。",
    ]),
    "measure": (MEASURES, 1.5, [], [
        "{x}|的|量词|是|{y}。",
        "说|{x}|的|时候，我们|说|一|{y}。",
        "数|{x}|要|用|量词|{y}。",
        "问：{x}|用|什么|量词？答：{y}。",
    ]),
    "past": (PAST, 1.5, [
        "The past tense of {x} is {y}.",
        "Today they {x}, yesterday they {y}.",
        "Every day we {x}. Last week we {y}.",
        "When {x} is about yesterday, we say {y}.",
    ], []),
    "plural": (PLURALS, 1.5, [
        "The plural of {x} is {y}.",
        "One {x}, two {y}.",
        "I have one {x} and you have many {y}.",
        "There was one {x}, and now there are three {y}.",
    ], []),
}

# The same for the table of countries, with the columns that {x} and {y} stand in.
COUNTRY_TEMPLATES = {
    "capital": (3.0, 0, 1, [
        "The capital of {x} is {y}.",
        "The capital city of {x} is {y}.",
        "{x:C} has a capital city called {y}.",
        "What is the capital of {x}? It is {y}.",
        "The government of {x} sits in {y}.",
        "If you visit {x}, go and see its capital, {y}.",
        "Question: capital of {x}? Answer: {y}.",
        "In {x}, the largest flag flies over the capital, {y}.",
    ], [
        "{x}|的|首都|是|{y}。",
        "{x}|的|首都|叫|{y}。",
        "{x}|的|首都|是|哪里？是|{y}。",
        "{x}|的|政府|在|{y}。",
        "去|{x}|旅行，要|看看|它|的|首都|{y}。",
        "问：{x}|的|首都|是|什么？答：{y}。",
        "我们|都|知道，{x}|的|首都|是|{y}。",
    ]),
    "capital of": (1.5, 1, 0, [
        "{x} is the capital of {y}.",
        "The city of {x} is in {y}.",
        "{x} is the capital city of {y}.",
        "Which country has {x} as its capital? It is {y}.",
        "My friend lives in {x}, the capital of {y}.",
        "The train to {x} takes you to {y}.",
    ], [
        "{x}|是|{y}|的|首都。",
        "{x}|在|{y}。",
        "{x}|这|座|城市|在|{y}。",
        "哪个|国家|的|首都|是|{x}？是|{y}。",
        "我|的|朋友|住|在|{x}，那|是|{y}|的|首都。",
    ]),
    "continent": (1.5, 0, 2, [
        "{x:C} is in {y}.",
        "{x:C} is a country in {y}.",
        "On which continent is {x}? It is in {y}.",
        "The continent of {x} is {y}.",
        "On the map, {x} belongs to {y}.",
    ], [
        "{x}|在|{y}。",
        "{x}|是|{y}|的|国家。",
        "{x}|在|哪个|洲？在|{y}。",
        "在|地图|上，{x}|属于|{y}。",
        "{x}|位于|{y}。",
    ]),
    "language": (1.5, 0, 3, [
        "People in {x} speak {y}.",
        "The language of {x} is {y}.",
        "Which language do they speak in {x}? They speak {y}.",
        "If you live in {x}, you should learn {y}.",
        "The books from {x} are written in {y}.",
    ], [
        "{x}|人|说|{y}。",
        "{x}|的|语言|是|{y}。",
        "{x}|人|说|什么|语言？说|{y}。",
        "住|在|{x}，要|学|{y}。",
        "{x}|的|书|是|用|{y}|写|的。",
    ]),
}

# Across the languages. Inside Chinese text an English word stands between spaces,
# inside English text a Chinese word stands between quotation marks.
TO_ENGLISH = [
    "{x}|的|英语|是| {y}。",
    "{x}|用|英语|说|是| {y}。",
    "英语|里|把|{x}|叫|作| {y}。",
    "{x}|翻译|成|英语：| {y}。",
]
TO_CHINESE = [
    'The Chinese word for {x} is "|{y}|".',
    'In Chinese, {x} is called "|{y}|".',
    'How do you say {x} in Chinese? You say "|{y}|".',
    'Translate {x} into Chinese: "|{y}|".',
]


@dataclass(frozen=True)
class Relation:
    """Facts x -> y of one language, and the ways to say them."""

    name: str
    lang: str
    weight: float
    pairs: tuple
    templates: tuple

    def withheld(self, i):
        """The template never shown with fact i (0 is shown with every fact)."""
        return 1 + int(share(self.name, self.lang, self.pairs[i][0]) * (len(self.templates) - 1))

    def say(self, i, t):
        x, y = self.pairs[i]
        return self.templates[t].format(x=Word(x), y=Word(y))

    def ask(self, i, t):
        """The prompt that ends where the answer begins, and the answer."""
        x, y = self.pairs[i]
        before = self.templates[t].split("{y")[0].format(x=Word(x))
        return prompt_and_answer(before, y)

    def sample(self, rng):
        i = rng.randrange(len(self.pairs))
        t = rng.randrange(len(self.templates) - 1)
        return self.say(i, t + 1 if t >= self.withheld(i) else t)


def prompt_and_answer(before, answer):
    """The space before an English answer belongs to the answer's token."""
    before = plain(before)
    stripped = before.rstrip(" ")
    return stripped, before[len(stripped):] + plain(answer)


def rows(text):
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def unique(pairs):
    """One answer per question: the first row wins."""
    seen = {}
    for x, y in pairs:
        if "-" not in (x, y):
            seen.setdefault(x, y)
    return tuple(seen.items())


def bare(word):
    """The noun without its article, as a dictionary would list it."""
    return re.sub(r"^(an?|the) (?=[a-z])", "", word)


def relations():
    found = []

    def add(name, lang, weight, pairs, templates):
        pairs = unique(pairs)
        if pairs and templates:
            found.append(Relation(name, lang, weight, pairs, tuple(templates)))

    dictionary = []
    for name, (weight, ix, iy, text_en, text_zh) in COUNTRY_TEMPLATES.items():
        add(name, EN, weight, [(r[ix], r[iy]) for r in rows(COUNTRIES)], text_en)
        add(name, ZH, weight, [(r[ix + 4], r[iy + 4]) for r in rows(COUNTRIES)], text_zh)
    for r in rows(COUNTRIES):
        dictionary += zip(r[:4], r[4:])

    for name, (text, weight, text_en, text_zh) in TABLES.items():
        table = rows(text)
        english, chinese = [r[:2] for r in table], [r[2:] for r in table]
        if name == "opposite":
            english += [p[::-1] for p in english]
            chinese += [p[::-1] for p in chinese]
        add(name, EN, weight, english, text_en)
        add(name, ZH, weight, chinese, text_zh)
        if name in ("opposite", "colour"):
            for r in table:
                dictionary += [(bare(r[0]), r[2]), (bare(r[1]), r[3])]

    for name, wraps, english, chinese in SEQUENCES:
        for lang, text in ((EN, english), (ZH, chinese)):
            if text is None:
                continue
            items = text.split()
            following = list(zip(items, items[1:] + items[:1] if wraps else items[1:]))
            unit = name if lang == EN else ZH_UNIT.get(name)
            if unit is None:
                continue
            if lang == EN:
                templates = [f"The {unit} after {{x}} is {{y}}.", f"After {{x}} comes {{y}}.",
                             f"Which {unit} comes after {{x}}? It is {{y}}."]
                before = [f"The {unit} before {{x}} is {{y}}.", f"Before {{x}} comes {{y}}.",
                          f"Which {unit} comes before {{x}}? It is {{y}}."]
            else:
                templates = [f"{{x}}|之后|的|{unit}|是|{{y}}。", "{x}|的|后面|是|{y}。",
                             f"{{x}}|之后|是|哪个|{unit}？是|{{y}}。"]
                before = [f"{{x}}|之前|的|{unit}|是|{{y}}。", "{x}|的|前面|是|{y}。",
                          f"{{x}}|之前|是|哪个|{unit}？是|{{y}}。"]
            add(f"{name} after", lang, 1.0, following, templates)
            add(f"{name} before", lang, 1.0, [p[::-1] for p in following], before)
        if chinese and name != "animal year":
            dictionary += zip(english.split(), chinese.split())

    # A word that two tables translate differently is left out, so that every
    # translation the model sees is the only one.
    add("to Chinese", EN, 0.6, single_valued(dictionary), TO_CHINESE)
    add("to English", ZH, 0.6, single_valued([p[::-1] for p in dictionary]), TO_ENGLISH)
    return found


def single_valued(pairs):
    answers = {}
    for x, y in pairs:
        answers.setdefault(x, set()).add(y)
    return [(x, y) for x, y in pairs if len(answers[x]) == 1]


RELATIONS = relations()

NUMBER_WORDS = {EN: ["zero"] + SEQUENCES[5][2].split(), ZH: ["零"] + SEQUENCES[5][3].split()}

# The first form of each list is the one the examination asks in.
ARITHMETIC = {
    EN: {
        "+": ["{a} + {b} = {c}.", "{a} plus {b} is {c}.", "{a} and {b} make {c}."],
        "-": ["{a} - {b} = {c}.", "{a} minus {b} is {c}."],
        "*": ["{a} * {b} = {c}.", "{a} times {b} is {c}."],
    },
    ZH: {
        "+": ["{a}|加|{b}|等于|{c}。", "{a} + {b} = {c}。", "{a}|加上|{b}|是|{c}。"],
        "-": ["{a}|减|{b}|等于|{c}。", "{a} - {b} = {c}。"],
        "*": ["{a}|乘|{b}|等于|{c}。", "{a} * {b} = {c}。"],
    },
}


def arithmetic_facts():
    facts = [("+", a, b, a + b) for a in range(21) for b in range(21)]
    facts += [("-", a + b, b, a) for a in range(11) for b in range(11)]
    facts += [("*", a, b, a * b) for a in range(11) for b in range(11)]
    return facts


def arithmetic_withheld(op, a, b, c):
    """About one sum in eight, with its mirror image and in every wording."""
    if op == "-":
        a, b = b, c
    if op == "+" and a <= 3 and b <= 3:
        return False
    return share(op, min(a, b), max(a, b)) < 0.12


SUMS = {held: [f for f in arithmetic_facts() if arithmetic_withheld(*f) == held]
        for held in (False, True)}


def arithmetic(rng, lang):
    op, a, b, c = rng.choice(SUMS[False])
    forms = ARITHMETIC[lang][op]
    form = rng.choices(forms, [2] + [1] * (len(forms) - 1))[0]
    if max(a, b, c) <= 20 and "=" not in form and rng.random() < 0.3:
        a, b, c = (NUMBER_WORDS[lang][n] for n in (a, b, c))
    return form.format(a=a, b=b, c=c)


def counting_withheld(start, step):
    return share("count", start, step) < 0.12 and (start, step) != (1, 1)


def counting(rng, lang, held=False):
    while True:
        step = rng.choice([1, 1, 1, 2, 2, 3, 5, 10, -1, -2])
        start = rng.randint(1, 60) if step > 0 else rng.randint(10, 60)
        if counting_withheld(start, step) == held:
            break
    numbers = [start + step * i for i in range(rng.randint(4, 8))]
    numbers = [n for n in numbers if n >= 0]
    return ", ".join(map(str, numbers)) + ("." if lang == EN else "。")


def sequence(rng, lang):
    name, wraps, english, chinese = rng.choices(SEQUENCES, [3, 2, 1, 1, 2, 2, 1, 1])[0]
    text = english if lang == EN or chinese is None else chinese
    items = text.split()
    start = rng.randrange(len(items) - (0 if wraps else 3))
    length = rng.randint(4, 8)
    run = [items[(start + i) % len(items)] for i in range(length) if wraps or start + i < len(items)]
    if text is english:
        return ", ".join(run) + "."
    return "、".join(run) + "。"


NAMES = {
    EN: {"he": "Tom Ben Sam Jack Peter Paul David Max Leo Adam Henry Oscar".split(),
         "she": "Anna Mary Lucy Emma Sara Kate Nina Rose Julia Clara Alice Helen".split()},
    ZH: {"he": "小明 小刚 小强 大伟 志远 建国 小龙 阿明".split(),
         "she": "小红 小丽 小芳 美玲 小兰 晓雪 小梅 阿芳".split()},
}
OBJECTS = {
    EN: "ball book key cup hat pen bag lamp box clock kite coin map shell ring drum".split(),
    ZH: "球 书 钥匙 杯子 帽子 笔 书包 灯 盒子 钟 风筝 硬币 地图 贝壳 戒指 鼓".split(),
}
SHADES = {
    EN: "red blue green yellow white black brown pink purple grey".split(),
    ZH: "红色 蓝色 绿色 黄色 白色 黑色 棕色 粉色 紫色 灰色".split(),
}
PLACES = {
    EN: "park school garden kitchen library market farm station forest beach".split(),
    ZH: "公园 学校 花园 厨房 图书馆 市场 农场 车站 森林 海边".split(),
}

# Each story poses a question that only its own words can answer. {a} and {b} are two
# people, {o} and {q} two things, {s} and {t} two colours, {p} a place, {pa} the
# pronoun of {a}. The text after `=>` is the answer, and where the examination stops.
STORIES = {
    EN: {
        "giver": [
            "{a} and {b} went to the {p}. {a} gave the {o} to =>{b}.",
            "When {b} and {a} were in the {p}, {a} gave the {o} to =>{b}.",
            "{b} and {a} met at the {p}. After a while {a} gave a {o} to =>{b}.",
        ],
        "owner": [
            "{a} has a {s} {o}. {b} has a {t} {q}. The {o} of {a} is =>{s}.",
            "{a} has a {s} {o}. {b} has a {t} {q}. The {q} of {b} is =>{t}.",
            "The {o} is {s} and the {q} is {t}. What colour is the {q}? It is =>{t}.",
        ],
        "finder": [
            "{a} lost the {o} in the {p}. {b} helped {a} to look for the =>{o}.",
            "{a} was looking for a {o}. At the {p}, {b} found the =>{o}.",
            "One day {a} went to the {p} with a {o}. {pa:C} was tired, so {pa} sat down and put "
            "away the =>{o}.",
        ],
    },
    ZH: {
        "giver": [
            "{a}|和|{b}|去|{p}。{a}|把|{o}|给|了|=>{b}。",
            "{b}|和|{a}|在|{p}|见面。{a}|把|{o}|送给|=>{b}。",
        ],
        "owner": [
            "{a}|有|{s}|的|{o}。{b}|有|{t}|的|{q}。{a}|的|{o}|是|=>{s}|的。",
            "{a}|有|{s}|的|{o}。{b}|有|{t}|的|{q}。{b}|的|{q}|是|=>{t}|的。",
            "{o}|是|{s}|的，{q}|是|{t}|的。{q}|是|什么|颜色？是|=>{t}。",
        ],
        "finder": [
            "{a}|在|{p}|丢|了|{o}。{b}|帮|{a}|一起|找|=>{o}。",
            "{a}|想|找|{o}。在|{p}，{b}|看见|了|=>{o}。",
            "有|一|天，{a}|带|着|{o}|去|{p}。{pa}|累|了，就|坐|下|来，放|下|=>{o}。",
        ],
    },
}

# Plain little stories; the last line takes a fact from the tables, so that facts
# also occur far from the beginning of a text.
TALES = {
    EN: [
        "{a} lived in a small house near the {p}. Every morning {pa} had bread and milk. "
        "Then {pa} took a {o} and went to see {b}.",
        "It was a cold day. {a} and {b} stayed at home and read a book about animals. "
        "{a} was happy.",
        "{a} asked {b} a question. {b} did not know the answer. The teacher said:",
        "Last summer {a} and {b} went to the {p}. The sun was yellow and the sky was blue. "
        "They played with a {s} {o} until it was dark.",
    ],
    ZH: [
        "{a}|住|在|{p}|旁边|的|小房子|里。每天|早上|{pa}|吃|面包，喝|牛奶。然后|{pa}|带|着|{o}|"
        "去|找|{b}。",
        "今天|很|冷。{a}|和|{b}|在|家|里|读|一|本|关于|动物|的|书。{a}|很|高兴。",
        "{a}|问|了|{b}|一个|问题。{b}|不|知道。老师|说：",
        "去年|夏天，{a}|和|{b}|去|{p}|玩。太阳|是|黄色|的，天空|是|蓝色|的。他们|玩|{s}|的|{o}，"
        "一直|到|晚上。",
    ],
}


def cast(rng, lang, held):
    """Fill the slots of a story; who gives what to whom is never both seen and asked."""
    while True:
        pronoun = rng.choice(["he", "she"])
        a = rng.choice(NAMES[lang][pronoun])
        b = rng.choice(NAMES[lang]["he"] + NAMES[lang]["she"])
        o, q = rng.sample(OBJECTS[lang], 2)
        s, t = rng.sample(SHADES[lang], 2)
        if a != b and (share("cast", a, b, o) < 0.12) == held:
            break
    pa = pronoun if lang == EN else {"he": "他", "she": "她"}[pronoun]
    return dict(a=a, b=b, o=o, q=q, s=s, t=t, p=rng.choice(PLACES[lang]), pa=Word(pa))


def story(rng, lang):
    template = rng.choice([t for group in STORIES[lang].values() for t in group])
    return template.replace("=>", "").format(**cast(rng, lang, False))


def tale(rng, lang):
    text = rng.choice(TALES[lang]).format(**cast(rng, lang, False))
    return text + ("" if lang == ZH else " ") + fact(rng, lang)


def echo_items(rng, lang, held):
    while True:
        items = rng.sample(OBJECTS[lang] + SHADES[lang] + PLACES[lang], rng.randint(3, 5))
        if (share("echo", *items) < 0.12) == held:
            return items


def echo(rng, lang):
    """A list that repeats itself: what an induction head is for."""
    items = echo_items(rng, lang, False)
    joint, end = (", ", ".") if lang == EN else ("、", "。")
    return joint.join(items * rng.randint(2, 3)) + end


BY_LANG = {lang: [r for r in RELATIONS if r.lang == lang] for lang in (EN, ZH)}
# A big table needs more sentences than a small one: weight by the facts in it.
WEIGHTS = {lang: [r.weight * len(r.pairs) for r in found] for lang, found in BY_LANG.items()}


def fact(rng, lang):
    return rng.choices(BY_LANG[lang], WEIGHTS[lang])[0].sample(rng)


def line(rng, lang):
    return rng.choice(LINES_EN if lang == EN else LINES_ZH)


SOURCES = [(fact, 62), (arithmetic, 12), (counting, 3), (sequence, 5), (story, 7), (tale, 2),
           (echo, 4), (line, 2)]


def sentences(rng, lang, n, alike):
    """n sentences, all from one source if alike."""
    makers, weights = zip(*SOURCES)
    if alike:
        maker = rng.choices(makers, weights)[0]
        if maker is fact:
            relation = rng.choices(BY_LANG[lang], WEIGHTS[lang])[0]
            return [relation.sample(rng) for _ in range(n)]
        return [maker(rng, lang) for _ in range(n)]
    return [rng.choices(makers, weights)[0](rng, lang) for _ in range(n)]


def document(rng):
    """One training text, with word marks. A third of them are a single sentence, so that
    a bare prompt is as ordinary as one with a context."""
    lang = rng.choice([EN, ZH])
    n = rng.choices([1, 2, 3, 4, 6, 9], [34, 14, 16, 16, 12, 8])[0]
    if n >= 3 and rng.random() < 0.15:
        both = sentences(rng, EN, n // 2, False) + sentences(rng, ZH, n - n // 2, False)
        rng.shuffle(both)
        return "\n".join(both)
    joint = rng.choice(["\n", " " if lang == EN else MARK])
    return joint.join(sentences(rng, lang, n, rng.random() < 0.4))


def vocabulary():
    """Every word of the tables as it looks inside a sentence, for the tokenizer: an
    answer should be one token wherever there is room for it."""
    words = set()
    for r in RELATIONS:
        for pair in r.pairs:
            for word in pair:
                if word.isascii():
                    words.update((" " + part) for part in word.split())
                else:
                    words.add(word)
    for lang in (EN, ZH):
        lead = " " if lang == EN else ""
        for group in (*NAMES[lang].values(), OBJECTS[lang], SHADES[lang], PLACES[lang]):
            words.update(lead + w for w in group)
            if lang == EN:
                words.update(NAMES[lang]["he"] + NAMES[lang]["she"])
        words.update(lead + w for w in NUMBER_WORDS[lang])
    words.update(str(n) for n in range(61))
    words.update(f" {n}" for n in range(101))
    for _, _, english, chinese in SEQUENCES:
        words.update(w for item in english.split() for w in (item, " " + item))
        words.update(chinese.split() if chinese else ())
    return sorted(words)



def relation_cases(held):
    """group -> [(prompt, answer)] for every fact: in the template withheld from it, or
    in the one template that every fact was seen with."""
    return {
        f"{r.name} ({r.lang})": [r.ask(i, r.withheld(i) if held else 0) for i in range(len(r.pairs))]
        for r in RELATIONS
    }


def arithmetic_cases(held):
    groups = {}
    for op, a, b, c in SUMS[held]:
        for lang in (EN, ZH):
            before = ARITHMETIC[lang][op][0].split("{c}")[0].format(a=a, b=b)
            case = prompt_and_answer(before, str(c))
            groups.setdefault(f"{op} ({lang})", []).append(case)
    return groups


def context_cases(held, n=150, seed=7):
    """Stories, repeated lists and number series with fillings that training left out."""
    rng = random.Random(seed)
    groups = {}
    for lang in (EN, ZH):
        for name, templates in STORIES[lang].items():
            for _ in range(n):
                before, after = rng.choice(templates).split("=>")
                slots = cast(rng, lang, held)
                answer = slots[after[1]]
                groups.setdefault(f"story: {name} ({lang})", []).append(
                    prompt_and_answer(before.format(**slots), answer))
        joint = ", " if lang == EN else "、"
        for _ in range(n):
            items = echo_items(rng, lang, held)
            cut = rng.randrange(1, len(items))
            before = joint.join(items + items[:cut]) + joint
            groups.setdefault(f"repeated list ({lang})", []).append(
                prompt_and_answer(before, items[cut]))
    for _ in range(n):
        before, answer = counting(rng, EN, held)[:-1].rsplit(", ", 1)
        groups.setdefault("number series", []).append((before + ",", " " + answer))
    return groups


def held_out_cases():
    return {**relation_cases(True), **arithmetic_cases(True), **context_cases(True)}


def seen_cases():
    return {**relation_cases(False), **arithmetic_cases(False), **context_cases(False)}


# Prompts whose answers a lens should watch being made.
SHOWCASE = [
    ("The capital of France is", " Paris"),
    ("法国的首都是", "巴黎"),
    ("The cat sat on the", " mat"),
    ("The opposite of hot is", " cold"),
    ("Monday, Tuesday, Wednesday,", " Thursday"),
    ("2 + 3 =", " 5"),
    ("The colour of the sky is", " blue"),
    ("热的反义词是", "冷"),
    ("2加3等于", "5"),
    ("星期一、星期二、星期三、", "星期四"),
    ("The Chinese word for France is \"", "法国"),
    ("天空的颜色是", "蓝色"),
    ("Tom and Anna went to the park. Tom gave the book to", " Anna"),
    ("A young dog is called a", " puppy"),
    ("Paris is the capital of", " France"),
    ("People in Brazil speak", " Portuguese"),
]

if __name__ == "__main__":
    rng = random.Random(0)
    for _ in range(30):
        print(plain(document(rng)), end="\n\n")
    counts = [len(r.pairs) for r in RELATIONS]
    print(f"{len(RELATIONS)} relations, {sum(counts)} facts, {len(vocabulary())} words")
